package github

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	gogithub "github.com/google/go-github/v90/github"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// CodeNoCodeScanning is of a repository in which code scanning is off.
const CodeNoCodeScanning = "github/no-code-scanning"

// maxFindings bounds a report as it is sent, in bytes compressed: GitHub takes no
// larger one (redhat-plumbers-in-action/differential-shellcheck#375).
const maxFindings = 10 << 20

// Findings are the report of a scan for GitHub's page of code scanning.
type Findings struct {
	Commit string // full SHA-1
	Ref    string // refs/heads/main, refs/tags/v1, refs/pull/5/merge
	// Category tells the reports of one tool apart: a newer one of the same category
	// takes the place of the older. It must stay the same from run to run.
	Category string
	SARIF    []byte
}

// Upload sends findings, which GitHub looks at later: what it finds wrong in them then
// is on its page only. To send the same ones twice does no harm.
func (c *Client) Upload(ctx context.Context, f Findings) error {
	text, err := categorized(f.SARIF, f.Category)
	if err != nil {
		return record.Refused(CodeRefused, "uploading the findings: the report is no SARIF: %w", err)
	}
	packed, err := compressed(text)
	if err == nil && len(packed) > maxFindings {
		err = fmt.Errorf("the report has %d bytes compressed, and GitHub takes %d", len(packed), maxFindings)
	}
	if err != nil {
		return record.Refused(CodeRefused, "uploading the findings: %w", err)
	}
	body := gogithub.SarifAnalysis{CommitSHA: f.Commit, Ref: f.Ref, Sarif: base64.StdEncoding.EncodeToString(packed)}
	return c.ask(ctx, "uploading the findings", "security-events: write", func() error {
		_, _, err := c.api.CodeScanning.UploadSarif(ctx, c.owner, c.name, body)
		return err
	})
}

// categorized gives each run of a report that says nothing of it the category. Without
// one, the report of another image takes this one's place, and its alerts count as fixed
// (shopware/docker#223).
func categorized(sarif []byte, category string) ([]byte, error) {
	var document map[string]json.RawMessage
	if err := json.Unmarshal(sarif, &document); err != nil {
		return nil, err
	}
	var runs []map[string]json.RawMessage
	if err := json.Unmarshal(document["runs"], &runs); err != nil {
		return nil, err
	}
	// GitHub takes what is before the last slash.
	details, err := json.Marshal(map[string]string{"id": category + "/"})
	if err != nil {
		return nil, err
	}
	for _, run := range runs {
		if run["automationDetails"] == nil {
			run["automationDetails"] = details
		}
		if run["results"] != nil {
			if run["results"], err = told(run["results"]); err != nil {
				return nil, err
			}
		}
	}
	if document["runs"], err = json.Marshal(runs); err != nil {
		return nil, err
	}
	return json.Marshal(document)
}

// maxResults is how many results of a run GitHub takes; a report with more it refuses as a
// whole (aquasecurity/tfsec-sarif-action#43).
const maxResults = 25_000

// result is what of one tells it apart.
type result struct {
	RuleID  string
	Level   string
	Message struct{ Text string }

	Locations []struct {
		PhysicalLocation struct{ ArtifactLocation struct{ URI string } }
	}
	PartialFingerprints json.RawMessage
}

// told are results as GitHub is told them: each with a fingerprint, by which it knows an
// alert of an earlier report again, and of too many the worst ones. Without fingerprints
// dismissed alerts come back with the next image (aquasecurity/trivy#1840,
// google/osv-scanner#2331).
func told(results json.RawMessage) (json.RawMessage, error) {
	var all []json.RawMessage
	if err := json.Unmarshal(results, &all); err != nil || len(all) == 0 {
		return results, err
	}
	read := make([]result, len(all))
	seen := map[string]int{}
	for i := range all {
		if err := json.Unmarshal(all[i], &read[i]); err != nil {
			return nil, err
		}
		if read[i].PartialFingerprints != nil {
			continue
		}
		known := read[i].fingerprint()
		seen[known]++
		var err error
		if all[i], err = with(all[i], "partialFingerprints", map[string]string{"primaryLocationLineHash": fmt.Sprintf("%s:%d", known, seen[known])}); err != nil {
			return nil, err
		}
	}
	return json.Marshal(worst(all, read))
}

// fingerprint is the same for a vulnerability of a package in a place, whatever the
// versions of both: what Trivy says begins with the package.
func (r result) fingerprint() string {
	place := ""
	if len(r.Locations) > 0 {
		place = r.Locations[0].PhysicalLocation.ArtifactLocation.URI
	}
	about, _, _ := strings.Cut(r.Message.Text, "\n")
	sum := sha256.Sum256([]byte(strings.Join([]string{r.RuleID, place, about}, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// worst are at most [maxResults], errors before warnings before notes.
func worst(all []json.RawMessage, read []result) []json.RawMessage {
	if len(all) <= maxResults {
		return all
	}
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	rank := map[string]int{"error": 0, "warning": 1, "": 1, "note": 2, "none": 3} // SARIF's own default is warning
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rank[read[a].Level], rank[read[b].Level]) })
	kept := make([]json.RawMessage, maxResults)
	for i := range kept {
		kept[i] = all[order[i]]
	}
	return kept
}

// with is a JSON object with one more field.
func with(object json.RawMessage, name string, value any) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(object, &fields); err != nil {
		return nil, err
	}
	var err error
	if fields[name], err = json.Marshal(value); err != nil {
		return nil, err
	}
	return json.Marshal(fields)
}

func compressed(text []byte) ([]byte, error) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	err := w.Close()
	return packed.Bytes(), err
}

// saysNoCodeScanning reports whether GitHub's words are those for a repository without
// code scanning, "Advanced Security must be enabled for this repository to use code
// scanning" since 2021, "Code Security" since 2025, and "not enabled for" before.
func saysNoCodeScanning(message string) bool {
	return strings.Contains(message, "enabled for") && strings.Contains(message, "code scanning")
}
