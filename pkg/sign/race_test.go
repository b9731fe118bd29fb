//go:build race

package sign

// The race detector looks at who reads what at the same time, which does not depend on how
// much it is, and makes reading it ten times as slow.
const packagesInALargeSBOM = 1_900
