// Package browser reads a page as browsers do, as far as to know which files it needs.
package browser

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/charset"
)

// Reference is a file that a page needs.
type Reference struct {
	Address string // as the page writes it
	Kind    string // part of its content type, "" for any
}

// linked is what a <link> needs for the page to work; icons and the like are not that.
func linked(values map[string]string) Reference {
	rel, as := values["rel"], strings.ToLower(values["as"])
	switch {
	case hasWord(rel, "stylesheet"), hasWord(rel, "preload") && as == "style":
		return Reference{values["href"], "css"}
	case hasWord(rel, "modulepreload") && (as == "" || as == "script"), hasWord(rel, "preload") && as == "script":
		return Reference{values["href"], "javascript"}
	}
	return Reference{}
}

// scriptKind is the content type of a script; one that is only data may have any.
func scriptKind(written string) string {
	written = strings.ToLower(written)
	if written == "" || written == "module" || strings.Contains(written, "javascript") {
		return "javascript"
	}
	return ""
}

// References lists the scripts and style sheets of a page, each once and in its
// order, at most limit of them, and the address of <base>, "" without one. The page
// may be in any encoding that its content type, its byte order mark or its <meta>
// names, and hold any bytes. An error is that of ctx.
func References(ctx context.Context, page []byte, contentType string, limit int) (base string, found []Reference, err error) {
	text, err := charset.NewReader(bytes.NewReader(page), contentType)
	if err != nil {
		text = bytes.NewReader(page) // an empty page
	}
	seen := map[Reference]bool{}
	tokens := html.NewTokenizer(untilDone{ctx, text})
	for len(found) < limit {
		switch tokens.Next() {
		case html.ErrorToken:
			if err := tokens.Err(); !errors.Is(err, io.EOF) {
				return "", nil, err
			}
			return base, found, ctx.Err()
		case html.StartTagToken, html.SelfClosingTagToken:
		default:
			continue
		}
		r := Reference{}
		switch name, more := tokens.TagName(); {
		case string(name) == "base" && base == "":
			base = attributes(tokens, more)["href"]
		case string(name) == "link":
			r = linked(attributes(tokens, more))
		case string(name) == "script":
			values := attributes(tokens, more)
			r = Reference{values["src"], scriptKind(values["type"])}
		}
		if r.Address != "" && !seen[r] {
			seen[r] = true
			found = append(found, r)
		}
	}
	return base, found, ctx.Err()
}

// untilDone is a reader that ends with ctx.
type untilDone struct {
	ctx context.Context //nolint:containedctx // a reader passes none
	io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(p)
}

// attributes are those of the tag that the tokenizer has come to; the first of a
// name counts. An address may have white space around it and line ends within.
func attributes(tokens *html.Tokenizer, more bool) map[string]string {
	values := map[string]string{}
	for more {
		var name, value []byte
		name, value, more = tokens.TagAttr()
		if _, twice := values[string(name)]; !twice {
			values[string(name)] = strings.TrimSpace(lineEnds.Replace(string(value)))
		}
	}
	return values
}

// lineEnds are what a browser takes out of an address.
var lineEnds = strings.NewReplacer("\n", "", "\r", "", "\t", "")

func hasWord(list, word string) bool {
	return slices.Contains(strings.Fields(strings.ToLower(list)), word)
}
