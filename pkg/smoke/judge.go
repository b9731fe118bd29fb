package smoke

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// judge gives an error that says what is not as expected.
func (e Expect) judge(response *http.Response, body []byte, latency time.Duration) error {
	if response.StatusCode != e.Status {
		return fmt.Errorf("status %d, should be %d: %s", response.StatusCode, e.Status, body)
	}
	if got := response.Header.Get("Content-Type"); !strings.HasPrefix(got, e.ContentType) {
		return fmt.Errorf("content type %q, should begin with %q", got, e.ContentType)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		pattern := e.Headers[name]
		if got := response.Header.Get(name); len(response.Header.Values(name)) == 0 || !matches(pattern, got) {
			return fmt.Errorf("header %s is %q, should match %q", name, got, pattern)
		}
	}
	if e.BodyRegex != "" && !matches(e.BodyRegex, string(body)) {
		return fmt.Errorf("the body does not match %q: %s", e.BodyRegex, body)
	}
	if e.BodyNotRegex != "" && matches(e.BodyNotRegex, string(body)) {
		return fmt.Errorf("the body matches %q, which it must not: %s", e.BodyNotRegex, body)
	}
	if len(e.JSON) > 0 {
		if err := e.judgeJSON(body); err != nil {
			return err
		}
	}
	if limit := time.Duration(e.MaxLatency); limit > 0 && latency > limit {
		return fmt.Errorf("the answer took %s, should take at most %s", latency.Round(time.Millisecond), limit)
	}
	return nil
}

func (e Expect) judgeJSON(body []byte) error {
	var document any
	if err := json.Unmarshal(body, &document); err != nil {
		return fmt.Errorf("the body is not JSON: %s", body)
	}
	var problems []error
	for _, path := range slices.Sorted(maps.Keys(e.JSON)) {
		got, found := lookup(document, path)
		if !found {
			problems = append(problems, fmt.Errorf("the body has no %q: %s", path, body))
		} else if !equal(e.JSON[path], got) {
			problems = append(problems, fmt.Errorf("%q is %v, should be %v", path, got, e.JSON[path]))
		}
	}
	return errors.Join(problems...)
}

// matches tells whether a pattern matches; one that Validate would refuse never does.
func matches(pattern, text string) bool {
	compiled, err := regexp.Compile(pattern)
	return err == nil && compiled.MatchString(text)
}

// equal compares as JSON does: 1 and 1.0 are the same number.
func equal(want, got any) bool {
	text, err := json.Marshal(want)
	if err != nil {
		return false
	}
	var plain any
	return json.Unmarshal(text, &plain) == nil && reflect.DeepEqual(plain, got)
}

// lookup follows "items.0.kind" through objects and lists.
func lookup(document any, path string) (any, bool) {
	for _, key := range strings.Split(path, ".") {
		switch at := document.(type) {
		case map[string]any:
			next, found := at[key]
			if !found {
				return nil, false
			}
			document = next
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(at) {
				return nil, false
			}
			document = at[i]
		default:
			return nil, false
		}
	}
	return document, true
}
