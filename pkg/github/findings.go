package github

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
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
	}
	if document["runs"], err = json.Marshal(runs); err != nil {
		return nil, err
	}
	return json.Marshal(document)
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
