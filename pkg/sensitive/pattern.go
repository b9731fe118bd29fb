package sensitive

import (
	"path"
	"strings"
)

// pattern is one of [path.Match] for as many elements of a path as it has itself. Each
// element of the path of each file is tried, 160 000 files in a large workspace, so it
// is told quickly that one does not fit.
type pattern struct {
	text     string
	elements int
	// head is what the first element begins with, and tail what the only one ends with.
	head, tail string
}

func newPattern(text string) pattern {
	first, _, more := strings.Cut(text, "/")
	p := pattern{text: text, elements: strings.Count(text, "/") + 1, head: first}
	if i := strings.IndexAny(first, "*?["); i >= 0 {
		p.head = first[:i]
	}
	if !more {
		p.tail = first[strings.LastIndexAny(first, "*?]")+1:]
	}
	return p
}

func patterns(texts ...string) (all []pattern) {
	for _, text := range texts {
		all = append(all, newPattern(text))
	}
	return all
}

// candidate is a name of a rule.
type candidate struct {
	pattern
	rule *rule
}

// byFirst are the candidates for an element, in the order of the rules, by its first
// byte, which is 0 for an empty one.
var byFirst = func() (index [256][]candidate) {
	for i := range rules {
		for _, p := range patterns(rules[i].names...) {
			for first := range index {
				if p.head == "" || p.head[0] == byte(first) {
					index[first] = append(index[first], candidate{p, &rules[i]})
				}
			}
		}
	}
	return index
}()

func firstOf(element string) byte {
	if element == "" {
		return 0
	}
	return element[0]
}

// fits gives the last of the elements that the pattern fits from the given one on, -1
// when it does not.
func (p pattern) fits(elements []string, from int) int {
	if !strings.HasPrefix(elements[from], p.head) || from+p.elements > len(elements) {
		return -1
	}
	name := elements[from]
	if p.elements > 1 {
		name = strings.Join(elements[from:from+p.elements], "/")
	}
	if !strings.HasSuffix(name, p.tail) {
		return -1
	}
	if ok, _ := path.Match(p.text, name); !ok {
		return -1
	}
	return from + p.elements - 1
}
