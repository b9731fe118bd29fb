//go:build !linux

package process

// Seclude does nothing here: other systems show the environment of a process to its
// own user and to root, and offer no way to change that.
func Seclude() error { return nil }
