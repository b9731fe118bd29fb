package smoke

import (
	"html"
	"regexp"
	"slices"
	"strings"
)

// reference is a file that a page needs.
type reference struct {
	address string // as the page writes it
	kind    string // part of its content type, "" for any
}

var (
	// token is a comment or a start tag; quoted values may hold anything.
	token     = regexp.MustCompile(`(?s)<!--.*?-->|<([A-Za-z][A-Za-z0-9-]*)((?:\s+|/|[^\s"'>/=]+|=\s*"[^"]*"|=\s*'[^']*'|=\s*[^\s"'>]+)*)>`)
	attribute = regexp.MustCompile(`(?s)([^\s"'>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?`)
)

// textElements hold text and no markup.
var textElements = []string{"script", "style", "textarea", "title", "noscript"}

// linked is what a <link> needs for the page to work; icons and the like are not that.
func linked(values map[string]string) reference {
	rel, as := values["rel"], strings.ToLower(values["as"])
	switch {
	case hasWord(rel, "stylesheet"), hasWord(rel, "preload") && as == "style":
		return reference{values["href"], "css"}
	case hasWord(rel, "modulepreload") && (as == "" || as == "script"), hasWord(rel, "preload") && as == "script":
		return reference{values["href"], "javascript"}
	}
	return reference{}
}

// scriptKind is the content type of a script; one that is only data may have any.
func scriptKind(written string) string {
	written = strings.ToLower(written)
	if written == "" || written == "module" || strings.Contains(written, "javascript") {
		return "javascript"
	}
	return ""
}

// references lists the scripts and stylesheets of a page, each once and in its
// order, and the address of <base>, "" without one.
func references(page string) (base string, found []reference) {
	seen := map[reference]bool{}
	add := func(r reference) {
		if r.address != "" && !seen[r] {
			seen[r] = true
			found = append(found, r)
		}
	}
	for len(page) > 0 {
		at := token.FindStringSubmatchIndex(page)
		if at == nil {
			break
		}
		name := ""
		if at[2] >= 0 {
			name = strings.ToLower(page[at[2]:at[3]])
		}
		values := map[string]string{}
		if name != "" {
			values = attributes(page[at[4]:at[5]])
		}
		page = page[at[1]:]
		switch name {
		case "base":
			if base == "" {
				base = values["href"]
			}
		case "link":
			add(linked(values))
		case "script":
			add(reference{values["src"], scriptKind(values["type"])})
		}
		if slices.Contains(textElements, name) {
			page = after(page, "</"+name)
		}
	}
	return base, found
}

func attributes(text string) map[string]string {
	values := map[string]string{}
	for _, m := range attribute.FindAllStringSubmatch(text, -1) {
		name := strings.ToLower(m[1])
		if _, twice := values[name]; !twice {
			values[name] = strings.TrimSpace(html.UnescapeString(m[2] + m[3] + m[4]))
		}
	}
	return values
}

func hasWord(list, word string) bool {
	return slices.Contains(strings.Fields(strings.ToLower(list)), word)
}

// after gives what follows the first end tag; everything is text without one.
func after(page, end string) string {
	if i := strings.Index(strings.ToLower(page), end); i >= 0 {
		return page[i+len(end):]
	}
	return ""
}
