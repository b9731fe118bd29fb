// Package record holds the plain types that a run is recorded with, and that travel
// between its stages: images, scan reports, verified images, verdicts, causes and the
// [Record] itself. It depends on the standard library only, so that every other
// package can depend on it.
//
// Data flow: build makes an [Image], scan a [ScanReport] about it, sign a [Verified]
// one, deploy a [Verdict] with its [Cause]; the [Record] holds it all.
package record
