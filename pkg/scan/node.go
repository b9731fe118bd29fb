//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"unicode/utf16"

	"github.com/aquasecurity/trivy/pkg/dependency"
	"github.com/aquasecurity/trivy/pkg/dependency/parser/nodejs/packagejson"
	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	"github.com/aquasecurity/trivy/pkg/fanal/analyzer/language"
	nodepkg "github.com/aquasecurity/trivy/pkg/fanal/analyzer/language/nodejs/pkg"
	fanal "github.com/aquasecurity/trivy/pkg/fanal/types"
	xio "github.com/aquasecurity/trivy/pkg/x/io"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// nodePackages reads the package.json files of an image, in the place of Trivy's
// analyzer: that one wants fields to be right that say nothing about what is installed,
// and passes over what it cannot read (aquasecurity/trivy#4054). Of a package that npm
// has installed and that cannot be read, the inventory gets the name without a version.
type nodePackages struct{}

func init() {
	analyzer.DeregisterAnalyzer(analyzer.TypeNodePkg)
	analyzer.RegisterAnalyzer(nodePackages{})
}

// Type is that of Trivy's analyzer.
func (nodePackages) Type() analyzer.Type { return analyzer.TypeNodePkg }

// Version is above that of Trivy's analyzer: what that one has found is kept elsewhere.
func (nodePackages) Version() int { return 100 }

// Required reports whether a file is a package.json.
func (nodePackages) Required(file string, _ os.FileInfo) bool {
	return path.Base(file) == "package.json"
}

// Analyze gives the package of one package.json.
func (nodePackages) Analyze(ctx context.Context, in analyzer.AnalysisInput) (*analyzer.AnalysisResult, error) {
	return language.AnalyzePackage(ctx, fanal.NodePkg, in.FilePath, in.Content, packageJSON{in.FilePath}, in.Options.FileChecksum)
}

// packageJSON parses the file at a path.
type packageJSON struct{ file string }

// Parse gives no package for a file without a version.
func (p packageJSON) Parse(_ context.Context, r xio.ReadSeekerAt) ([]fanal.Package, []fanal.Dependency, error) {
	content, err := io.ReadAll(r)
	if err != nil {
		return nil, nil, err
	}
	found, err := p.read(content)
	folder := p.installed()
	switch {
	case err != nil && folder == "":
		return nil, nil, err
	case err != nil:
		found = fanal.Package{ID: folder, Name: folder}
	case found.Version == "":
		return nil, nil, nil
	case !packagejson.IsValidName(found.Name) || found.Name == "":
		if found.Name = folder; folder == "" {
			return nil, nil, errors.New("it has no name that npm would take")
		}
	}
	if found.Version != "" {
		found.ID = dependency.ID(fanal.NodePkg, found.Name, found.Version)
	}
	return []fanal.Package{found}, nil, nil
}

// read gives name, version and licenses, field by field.
func (p packageJSON) read(content []byte) (fanal.Package, error) {
	var fields map[string]json.RawMessage
	if err := json.NewDecoder(bytes.NewReader(decoded(content))).Decode(&fields); err != nil {
		return fanal.Package{}, err
	}
	var found fanal.Package
	if raw, ok := fields["version"]; ok {
		if err := json.Unmarshal(raw, &found.Version); err != nil {
			return fanal.Package{}, fmt.Errorf("version: %w", err)
		}
	}
	// As npm does before it compares.
	found.Version = strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(found.Version), "=v"))
	if json.Unmarshal(fields["name"], &found.Name) != nil {
		found.Name = ""
	}
	var license packagejson.License
	if json.Unmarshal(fields["license"], &license) == nil {
		found.Licenses = license.Names()
	}
	return found, nil
}

// installed is the name under which npm has installed the package, "" for a file that
// is not the package.json directly in such a folder: test data, for example.
func (p packageJSON) installed() string {
	const above = "/node_modules/"
	folder := "/" + path.Dir(p.file)
	start := strings.LastIndex(folder, above)
	if start < 0 || !nodepkg.IsPackageRoot(p.file) || strings.HasPrefix(folder[start+len(above):], ".") {
		return ""
	}
	return folder[start+len(above):]
}

// decoded takes a byte-order mark away, which Node and npm do as well, and gives UTF-8.
func decoded(content []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(content, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(content, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return text.Unmarked(content)
	}
	var units []uint16
	for rest := content[2:]; len(rest) > 1; rest = rest[2:] {
		units = append(units, order.Uint16(rest))
	}
	return []byte(string(utf16.Decode(units)))
}
