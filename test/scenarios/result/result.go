// Package result is what the scenario tests measured, one JSON file a
// measurement, and how the table of the documents is made of it.
package result

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// The groups of results; each is a part of the document.
const (
	Failing = "failing" // a release that cannot work
	Healthy = "healthy" // a release that only looks as if it could not
	// What people met and wrote down in public: several commands; the verdict and
	// the seconds are those of the last one, End is how each ended.
	Reported = "reported"
	Kill     = "kill"   // a signal in a phase, then the next run
	Random   = "random" // SIGKILL at a random moment, then the same command again
	// The helm command with the same releases; the verdict is the status that it
	// gives the release, the cause its last words.
	Helm         = "helm"
	HelmRandom   = "helm-random"
	HelmReported = "helm-reported"
	Speed        = "speed"     // seconds from apply to the verdict, several times
	Tail         = "tail"      // what a healthy deploy takes after the last pod is Ready
	Requests     = "requests"  // requests of a long wait
	Available    = "available" // requests of a client meanwhile
)

// Result is one measurement. Fields that a group does not use are left out.
type Result struct {
	Group string `json:"group"`
	Name  string `json:"name"`  // in prose, unique in its group
	Order int    `json:"order"` // in the document
	// Source is the public thread that a reported case comes from, repository#number.
	Source string `json:"source,omitempty"`

	Exit    int    `json:"exit"`
	Verdict string `json:"verdict,omitempty"`
	Cause   string `json:"cause,omitempty"` // as the record names it
	// Seconds is from the start of the command to its end, Decided to the end of
	// the phase that failed.
	Seconds float64 `json:"seconds,omitempty"`
	Decided float64 `json:"decided,omitempty"`
	// End says in words how it was at the end: what the next run did, or what the
	// Service answers.
	End string `json:"end,omitempty"`

	// Values are the figures of a measurement that was repeated, in seconds, or the
	// requests of each minute; Limit is what they may be at most, 0 for none.
	Values []float64 `json:"values,omitempty"`
	Limit  float64   `json:"limit,omitempty"`

	// Asked and Failed count a client's requests.
	Asked  int `json:"asked,omitempty"`
	Failed int `json:"failed,omitempty"`

	// Problem is why the test failed, "" when all was as it should be.
	Problem string `json:"problem,omitempty"`
}

var plain = regexp.MustCompile(`[^a-z0-9]+`)

// FileName makes a file's name from words.
func FileName(words string) string {
	return strings.Trim(plain.ReplaceAllString(strings.ToLower(words), "-"), "-")
}

// Save writes r into a file of its own in dir, over that of an earlier run.
func (r Result) Save(dir string) error {
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, r.Group+"-"+FileName(r.Name)+".json"), append(content, '\n'), 0o644)
}

// Load reads what tests wrote to dir, in no particular order.
func Load(dir string) ([]Result, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var all []Result
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var r Result
		if err := json.Unmarshal(content, &r); err != nil {
			return nil, fmt.Errorf("reading result %s: %w", file, err)
		}
		all = append(all, r)
	}
	return all, nil
}
