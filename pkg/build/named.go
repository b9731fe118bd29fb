package build

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"go.yaml.in/yaml/v3"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/sensitive"
	"github.com/stagecrew/stagecrew/pkg/yamlfile"
)

// maxConfig bounds a configuration file that is looked into.
const maxConfig = 1 << 20

// named are the files that the configuration names, as it names them.
type named struct {
	// catalog is what the catalog reads, as of the last file that says so: lists are not
	// merged, the last one counts. parts are read with the configuration itself.
	catalog, parts []string
	// open are the settings whose value is a secret in clear text, as file: a.b.c.
	open []string
}

// tellNamed warns of what the configuration names and the image does not have. The catalog
// goes on without such a file, with a line in its log (backstage/backstage#17432, #20940,
// #28402); a missing part of the configuration ends the backend at its start
// (cnoe-io/idpbuilder#21). What will be mounted is not known here.
func (b *layering) tellNamed() {
	var all named
	command := backstage.Command(b.plan.hasConfig(backstage.ProductionConfig))
	for _, config := range []string{backstage.AppConfig, backstage.ProductionConfig} {
		if !slices.Contains(command, config) || !b.plan.hasConfig(config) {
			continue
		}
		content, err := files.ReadIn(b.source.Root, config, maxConfig)
		if err != nil {
			continue // whoever packs it meets the same error
		}
		document, err := yamlfile.Document(content)
		if err != nil || len(document.Content) == 0 {
			continue // Backstage's own reader is less strict
		}
		all.add(document.Content[0])
		all.inClearText(config, "", document.Content[0])
	}
	b.warnMissing("catalog.locations names these files, the image does not have them, and the catalog goes on without; paths begin at the top of the workspace (/"+backstage.WorkDir+"), and the build's includes add what lies elsewhere", b.lacking(all.catalog))
	b.warnMissing("the configuration has secrets in clear text, which everybody can read who can pull the image; give them to the release as variables, and write ${NAME} here", all.open)
	b.warnMissing("the configuration is to include these files, and the image does not have them: without them, the backend ends at its start, unless the release mounts them", b.lacking(all.parts))
}

// add takes what one configuration file names.
func (n *named) add(config *yaml.Node) {
	if locations := valueOf(valueOf(config, "catalog"), "locations"); locations != nil {
		n.catalog = nil
		for _, location := range locations.Content {
			kind, target := valueOf(location, "type"), valueOf(location, "target")
			if kind != nil && kind.Value == "file" && target != nil {
				n.catalog = append(n.catalog, target.Value)
			}
		}
	}
	n.included(config)
}

// included takes what stands for the content of another file, wherever it is; $include can
// name a place in there.
func (n *named) included(node *yaml.Node) {
	if node.Kind == yaml.MappingNode && len(node.Content) == 2 {
		switch key, value := node.Content[0].Value, node.Content[1]; {
		case value.Kind != yaml.ScalarNode:
		case key == "$file":
			n.parts = append(n.parts, value.Value)
			return
		case key == "$include":
			file, _, _ := strings.Cut(value.Value, "#")
			n.parts = append(n.parts, file)
			return
		}
	}
	for _, one := range node.Content {
		n.included(one)
	}
}

// humps are where a word of a key in camelCase ends.
var humps = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// inClearText takes the settings below a node that log in somewhere: backend.auth.keys.secret,
// …connection.password, …clientSecret, a header that authorizes. A value with a variable in
// it comes from elsewhere (backstage/backstage#16520, codecentric/c4-genai-suite#1725).
func (n *named) inClearText(file, at string, node *yaml.Node) {
	if node.Kind != yaml.MappingNode {
		for _, one := range node.Content {
			n.inClearText(file, at, one)
		}
		return
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i].Value, node.Content[i+1]
		where := strings.TrimPrefix(at+"."+key, ".")
		if value.Kind != yaml.ScalarNode {
			n.inClearText(file, where, value)
			continue
		}
		header := strings.HasPrefix(value.Value, "Bearer ") || strings.HasPrefix(value.Value, "Basic ")
		if !strings.Contains(value.Value, "${") && (header || sensitive.Variable(humps.ReplaceAllString(key, "${1}_${2}"), value.Value)) {
			n.open = append(n.open, file+": "+where)
		}
	}
}

// valueOf is what a mapping has for a key, nil for nothing.
func valueOf(node *yaml.Node, key string) *yaml.Node {
	if node == nil || node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	return nil
}

// lacking are those of the paths that the image does not have. Of a path that depends on a
// variable, or that lies elsewhere in the container, that is unknown.
func (b *layering) lacking(paths []string) (missing []string) {
	for _, name := range paths {
		if strings.Contains(name, "${") || name == "" || slices.Contains(missing, name) {
			continue
		}
		within := path.Clean(name)
		if path.IsAbs(within) {
			below, inside := strings.CutPrefix(within, "/"+backstage.WorkDir+"/")
			if !inside {
				continue
			}
			within = below
		}
		if !b.plan.holds(within) && !b.plan.holds(follow(b.source.Root, within)) {
			missing = append(missing, name)
		}
	}
	return missing
}

// holds reports whether the image has what is at a path, or what fits where the path is a
// pattern. Dependencies may not have been read yet, and are not judged.
func (p *plan) holds(name string) bool {
	if p.partOf(name) == dependencies {
		return true
	}
	for _, entries := range p.parts {
		if _, ok := entries[name]; ok {
			return true
		}
		for at := range entries {
			if doublestar.MatchUnvalidated(name, at) {
				return true
			}
		}
	}
	return false
}
