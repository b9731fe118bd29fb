// Package pipeline holds the plain types that travel between the stages of a
// deployment: images, scan reports, verified images, verdicts, causes and the
// record of a run. It depends on the standard library only, so that every other
// package can depend on it.
//
// The data's way: build makes an [Image], scan a [ScanReport] about it, sign a
// [Verified] one, deploy a [Verdict] with its [Cause]; the [Record] holds it all.
package pipeline
