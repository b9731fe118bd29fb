//go:build !race

package sign

const packagesInALargeSBOM = 20_000
