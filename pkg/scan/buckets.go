//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"strings"

	"github.com/aquasecurity/trivy-db/pkg/vulnsrc/bucket"
	osver "github.com/aquasecurity/trivy/pkg/detector/ospkg/version"
	fanal "github.com/aquasecurity/trivy/pkg/fanal/types"
)

// buckets are where the database keeps the advisories of an operating system, by its
// version as Trivy's detectors cut it. Where the database has no such bucket they find
// nothing, and say nothing (aquasecurity/trivy#1405, #151).
var buckets = map[fanal.OSType]func(version string) bucket.Bucket{
	fanal.Alma:    func(version string) bucket.Bucket { return bucket.NewAlma(osver.Major(version)) },
	fanal.Alpine:  func(version string) bucket.Bucket { return bucket.NewAlpine(osver.Minor(version)) },
	fanal.Amazon:  func(version string) bucket.Bucket { return bucket.NewAmazon(ofAmazon(version)) },
	fanal.Azure:   func(version string) bucket.Bucket { return bucket.NewAzureLinux(osver.Minor(version)) },
	fanal.CentOS:  func(string) bucket.Bucket { return bucket.NewRedHat("") },
	fanal.Debian:  func(version string) bucket.Bucket { return bucket.NewDebian(osver.Major(version)) },
	fanal.Oracle:  func(version string) bucket.Bucket { return bucket.NewOracle(osver.Major(version)) },
	fanal.Photon:  bucket.NewPhoton,
	fanal.RedHat:  func(string) bucket.Bucket { return bucket.NewRedHat("") },
	fanal.Rocky:   func(version string) bucket.Bucket { return bucket.NewRocky(osver.Major(version)) },
	fanal.SLES:    bucket.NewSUSELinuxEnterprise,
	fanal.Ubuntu:  bucket.NewUbuntu,
	fanal.MinimOS: func(string) bucket.Bucket { return bucket.NewMinimOS("") },
	fanal.Wolfi:   func(string) bucket.Bucket { return bucket.NewWolfi("") },
	fanal.Echo:    func(string) bucket.Bucket { return bucket.NewEcho("") },

	fanal.Bottlerocket:       func(string) bucket.Bucket { return bucket.NewBottlerocket() },
	fanal.CBLMariner:         func(version string) bucket.Bucket { return bucket.NewMariner(osver.Minor(version)) },
	fanal.Chainguard:         func(string) bucket.Bucket { return bucket.NewChainguard("") },
	fanal.OpenSUSELeap:       bucket.NewOpenSUSE,
	fanal.OpenSUSETumbleweed: func(string) bucket.Bucket { return bucket.NewOpenSUSETumbleweed() },
	fanal.SLEMicro:           bucket.NewSUSELinuxEnterpriseMicro,
}

// ofAmazon is the version of Amazon Linux: what is none of the later ones is the first.
func ofAmazon(version string) string {
	word, _, _ := strings.Cut(version, " ")
	switch major := osver.Major(word); major {
	case "2", "2022", "2023":
		return major
	}
	return "1"
}

// bucketOf gives where the database keeps the advisories of an operating system, "" where
// that is not known.
func bucketOf(system fanal.OS) string {
	of := buckets[system.Family]
	if of == nil || system.Family == fanal.Alpine && strings.Contains(system.Name, "_") { // a snapshot of what is called edge in there
		return ""
	}
	return of(system.Name).Name()
}
