//go:build goexperiment.jsonv2

package scan

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/aquasecurity/trivy/pkg/types"
	"github.com/aquasecurity/trivy/pkg/vex"
	"github.com/sirupsen/logrus"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// maxVEX is how large a VEX document may be.
const maxVEX = 64 << 20

// checkVEX looks at VEX documents before anything is fetched. Trivy decides by the same
// keys which format a document has.
func checkVEX(files []string) error {
	for _, file := range files {
		content, err := readLimited(file, maxVEX)
		if err != nil {
			return record.BadInput("scan/bad-vex", "reading VEX document: %w", err)
		}
		var keys struct {
			Context         string            `json:"@context"`
			Statements      []json.RawMessage `json:"statements"`
			Vulnerabilities []json.RawMessage `json:"vulnerabilities"`
			Format          string            `json:"bomFormat"`
		}
		err = json.NewDecoder(bytes.NewReader(content)).Decode(&keys)
		switch {
		case err != nil:
		case keys.Format != "":
			err = fmt.Errorf("%s documents are about an SBOM, not about an image", text.Line(keys.Format, short))
		case keys.Context == "" && keys.Vulnerabilities == nil:
			err = fmt.Errorf("it is neither OpenVEX (with @context) nor CSAF (with vulnerabilities)")
		}
		if err != nil {
			return record.BadInput("scan/bad-vex", "parsing VEX document %q: %w", file, foreign(err))
		}
	}
	return nil
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
