package smoke

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"sort"
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
	for name, pattern := range e.Headers {
		if got := response.Header.Get(name); !regexp.MustCompile(pattern).MatchString(got) {
			return fmt.Errorf("header %s is %q, should match %q", name, got, pattern)
		}
	}
	if e.BodyRegex != "" && !regexp.MustCompile(e.BodyRegex).Match(body) {
		return fmt.Errorf("the body does not match %q: %s", e.BodyRegex, body)
	}
	if e.BodyNotRegex != "" && regexp.MustCompile(e.BodyNotRegex).Match(body) {
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
	paths := make([]string, 0, len(e.JSON))
	for path := range e.JSON {
		paths = append(paths, path)
	}
	sort.Strings(paths)
	var problems []error
	for _, path := range paths {
		got, found := lookup(document, path)
		if !found {
			problems = append(problems, fmt.Errorf("the body has no %q: %s", path, body))
		} else if !reflect.DeepEqual(got, e.JSON[path]) {
			problems = append(problems, fmt.Errorf("%q is %v, should be %v", path, got, e.JSON[path]))
		}
	}
	return errors.Join(problems...)
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
