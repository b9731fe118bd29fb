//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"log/slog"
	"testing"

	fanal "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/types"
	"github.com/stretchr/testify/require"
)

// A system of which the database has no advisories looks clean, and Trivy says nothing:
// aquasecurity/trivy#1405 (Oracle), #151, #461 (Amazon), #353 (Red Hat), #2520 (Alma), #1393 (Rocky).
func TestASystemThatTheDatabaseDoesNotKnowIsTold(t *testing.T) {
	for system, bucket := range map[fanal.OS]string{
		{Family: fanal.RedHat, Name: "9.4"}:               "Red Hat",
		{Family: fanal.CentOS, Name: "7.9.2009"}:          "Red Hat",
		{Family: fanal.Alma, Name: "9.4"}:                 "alma 9",
		{Family: fanal.Rocky, Name: "9.3"}:                "rocky 9",
		{Family: fanal.Oracle, Name: "8.10"}:              "Oracle Linux 8",
		{Family: fanal.Amazon, Name: "2 (Karoo)"}:         "amazon linux 2",
		{Family: fanal.Amazon, Name: "2023.5.20240701"}:   "amazon linux 2023",
		{Family: fanal.Amazon, Name: "AMI release 2018"}:  "amazon linux 1",
		{Family: fanal.SLES, Name: "15.5"}:                "SUSE Linux Enterprise 15.5",
		{Family: fanal.OpenSUSELeap, Name: "15.6"}:        "openSUSE Leap 15.6",
		{Family: fanal.OpenSUSETumbleweed, Name: "2026"}:  "openSUSE Tumbleweed",
		{Family: fanal.Photon, Name: "5.0"}:               "Photon OS 5.0",
		{Family: fanal.Azure, Name: "3.0.20240727"}:       "Azure Linux 3.0",
		{Family: fanal.CBLMariner, Name: "2.0.20240628"}:  "CBL-Mariner 2.0",
		{Family: fanal.Wolfi, Name: "20230201"}:           "wolfi",
		{Family: fanal.Chainguard, Name: "20230214"}:      "chainguard",
		{Family: fanal.Debian, Name: "12.8"}:              "debian 12",
		{Family: fanal.Ubuntu, Name: "24.04"}:             "ubuntu 24.04",
		{Family: fanal.Alpine, Name: "3.22.1"}:            "alpine 3.22",
		{Family: fanal.Alpine, Name: "3.23.0_alpha20250"}: "",
		{Family: fanal.Fedora, Name: "42"}:                "",
	} {
		require.Equal(t, bucket, bucketOf(system), "%v", system)
		report := types.Report{Metadata: types.Metadata{OS: &system}}
		told := uncovered(slog.New(slog.DiscardHandler), database{systems: map[string]bool{"debian 1": true}}, report, nil)
		if bucket == "" {
			require.Empty(t, told)
			continue
		}
		require.Len(t, told, 1, "%v", system)
		require.Contains(t, told[0], bucket+": the vulnerability database knows nothing")
		require.Empty(t, uncovered(slog.New(slog.DiscardHandler), database{systems: map[string]bool{bucket: true}}, report, nil))
	}
}
