//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/aquasecurity/trivy/pkg/types"
	"github.com/aquasecurity/trivy/pkg/vex"
	"github.com/sirupsen/logrus"

	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scan/trivylog"
	"github.com/stagecrew/stagecrew/pkg/text"
)

const (
	// maxVEX is how large a VEX document may be.
	maxVEX = 64 << 20
)

// checkVEX looks at VEX documents before anything is fetched. Trivy decides by the same
// keys which format a document has.
func checkVEX(documents []string) error {
	for _, file := range documents {
		content, err := files.ReadRegular(file, maxVEX)
		if err != nil {
			return record.BadInput("scan/bad-vex", "reading VEX document: %w", err)
		}
		var keys struct {
			Context         any               `json:"@context"`
			Statements      []json.RawMessage `json:"statements"`
			Vulnerabilities []json.RawMessage `json:"vulnerabilities"`
			Format          string            `json:"bomFormat"`
		}
		err = json.NewDecoder(bytes.NewReader(content)).Decode(&keys)
		_, isText := keys.Context.(string)
		switch {
		case bytes.HasPrefix(content, []byte(text.ByteOrderMark)): // Trivy does not read it
			err = fmt.Errorf("it begins with a byte-order mark, as editors on Windows write it: save it as UTF-8 without one")
		case err != nil:
		case keys.Context != nil && !isText:
			err = fmt.Errorf("its @context is no text: OpenVEX wants one, such as \"https://openvex.dev/ns/v0.2.0\", and no list")
		case keys.Format != "":
			err = fmt.Errorf("%s documents are about an SBOM, not about an image", text.Line(keys.Format, short))
		case (keys.Context == nil || keys.Context == "") && keys.Vulnerabilities == nil:
			err = fmt.Errorf("it is neither OpenVEX (with @context) nor CSAF (with vulnerabilities)")
		default:
			err = readable(file)
		}
		if err != nil {
			return record.BadInput("scan/bad-vex", "parsing VEX document %q: %w", file, text.Error(err, 400))
		}
	}
	return nil
}

// readable reads a document as Trivy will: what only it does not understand, such as
// the vulnerabilities of OpenVEX 0.0, is no reason to scan first.
func readable(file string) error {
	output := logrus.StandardLogger().Out
	defer logrus.SetOutput(output) // as in applyVEX
	_, err := vex.NewDocument(file, &types.Report{})
	return err
}

// applyVEX takes out what the documents say does not affect the image.
func (s session) applyVEX(ctx context.Context, report *types.Report) error {
	var options vex.Options
	for _, file := range s.options.VEX {
		options.Sources = append(options.Sources, vex.Source{Type: vex.TypeFile, FilePath: file})
	}
	if len(options.Sources) == 0 {
		return nil
	}
	// Trivy silences this logger for the whole process when it reads OpenVEX.
	output := logrus.StandardLogger().Out
	defer logrus.SetOutput(output)
	return vex.Filter(ctx, report, options)
}

// vexStatements are what OpenVEX and CSAF documents say of vulnerabilities.
type vexStatements struct {
	Statements []struct {
		Status        string `json:"status"`
		Vulnerability struct {
			Name    string   `json:"name"`
			Aliases []string `json:"aliases"`
		} `json:"vulnerability"`
	} `json:"statements"`
	Vulnerabilities []struct {
		CVE string `json:"cve"`
	} `json:"vulnerabilities"`
}

// effective gives the vulnerabilities that a document takes out of a report, each by
// all its names, of which any may be that of a finding.
func (v vexStatements) effective() [][]string {
	var all [][]string
	for _, s := range v.Statements {
		if s.Status == string(types.FindingStatusNotAffected) || s.Status == string(types.FindingStatusFixed) {
			all = append(all, append([]string{s.Vulnerability.Name}, s.Vulnerability.Aliases...))
		}
	}
	for _, one := range v.Vulnerabilities {
		all = append(all, []string{one.CVE})
	}
	return all
}

// unfitting gives the statements of the documents that took nothing out of a report:
// they may be about another image, or written with another product than Trivy compares.
func (s session) unfitting(image string, report types.Report) ([]string, error) {
	fit := map[string]bool{}
	for _, r := range report.Results {
		for _, m := range r.ModifiedFindings {
			if v, ok := m.Finding.(types.DetectedVulnerability); ok {
				fit[v.VulnerabilityID] = true
			}
		}
	}
	var all []string
	for _, file := range s.options.VEX {
		content, err := files.ReadRegular(file, maxVEX)
		if err != nil {
			return nil, err
		}
		var said vexStatements
		if err := json.Unmarshal(content, &said); err != nil {
			return nil, fmt.Errorf("parsing VEX document %q: %w", file, err)
		}
		for _, names := range said.effective() {
			if !slices.ContainsFunc(names, func(id string) bool { return fit[id] }) {
				all = append(all, fmt.Sprintf("%s in %s", text.Line(names[0], short), file))
			}
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) > 0 {
		s.log.Warn("VEX statements fit nothing in the image; their products are those of another image, package or version", "image", image, "statements", len(all), "first", all[0])
	}
	return all[:min(len(all), trivylog.MaxMissed)], nil
}
