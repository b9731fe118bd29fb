package githubtest

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
)

// Analysis is a report of a scan that was uploaded.
type Analysis struct {
	Commit, Ref string
	SARIF       []byte
}

const (
	// NoCodeScanning are GitHub's words for a repository without code scanning, with 403.
	NoCodeScanning = "Advanced Security must be enabled for this repository to use code scanning."
	// maxSARIF is in bytes, compressed (docs: SARIF support for code scanning).
	maxSARIF = 10 << 20
)

// analysisSchema is that of POST /repos/{owner}/{repo}/code-scanning/sarifs, which takes
// no other fields.
var analysisSchema = schema{
	"commit_sha": {kind: "string", required: true, format: regexp.MustCompile(`^[0-9a-fA-F]{40}$`).MatchString, said: `commit_sha does not match /^[0-9a-fA-F]+$/`},
	// github/codeql-action#796.
	"ref":          {kind: "string", required: true, format: regexp.MustCompile(`^refs/(heads|tags|pull)/.*$`).MatchString, said: `ref does not match /^refs\/(heads|tags|pull)\/.*$/`},
	"sarif":        {kind: "string", required: true},
	"checkout_uri": {kind: "string"}, "started_at": {kind: "string"}, "tool_name": {kind: "string"}, "validate": {kind: "boolean"},
}

// Analyses are all that were uploaded, oldest first.
func (s *Server) Analyses() []Analysis {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.analyses)
}

func (s *Server) uploadSARIF(c *call) {
	body, ok := c.read("Analysis", analysisSchema)
	if !ok {
		return
	}
	packed, _ := base64.StdEncoding.DecodeString(fmt.Sprint(body["sarif"]))
	text, err := unpacked(packed)
	switch {
	case len(packed) > maxSARIF:
		refuse(c.w, http.StatusRequestEntityTooLarge, "Payload Too Large", nil)
		return
	case err != nil || !isSARIF(text):
		refuse(c.w, http.StatusBadRequest, "sarif is invalid: it is no SARIF report that is compressed with gzip and encoded as Base64", nil)
		return
	}
	s.analyses = append(s.analyses, Analysis{Commit: fmt.Sprint(body["commit_sha"]), Ref: fmt.Sprint(body["ref"]), SARIF: text})
	id := fmt.Sprintf("47177e22-5596-11eb-80a1-%012d", s.next())
	answer(c.w, http.StatusAccepted, map[string]any{"id": id, "url": s.URL + c.r.URL.Path + "/" + id})
}

func unpacked(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// isSARIF reports whether a text is a report of version 2.1.0 in which each run has a
// category of its own (codacy/codacy-analysis-cli#541).
func isSARIF(text []byte) bool {
	var report struct {
		Version string
		Runs    []struct{ AutomationDetails struct{ ID string } }
	}
	if json.Unmarshal(text, &report) != nil || report.Version != "2.1.0" || len(report.Runs) == 0 {
		return false
	}
	known := map[string]bool{}
	for _, run := range report.Runs {
		if known[run.AutomationDetails.ID] {
			return false
		}
		known[run.AutomationDetails.ID] = true
	}
	return true
}
