// Package race says to tests whether the race detector looks on. It looks at who reads
// what at the same time, which does not depend on how much that is, and makes reading it
// ten times as slow: a test may do a part of its work then, and is run once more without
// (make test-unit).
package race

// Sample gives all, and under the race detector each nth of them only.
func Sample[T any](all []T, n int) []T {
	if !Enabled {
		return all
	}
	var some []T
	for i := 0; i < len(all); i += n {
		some = append(some, all[i])
	}
	return some
}
