// Package pipeline is the way from a source to a release: the stages as a table (see
// table.go), the commands as slices of it, and what runs them. A stage begins when
// what it needs is there, gets it as arguments and hands on what it made; what needs
// nothing of each other runs side by side. Its options are read from its settings
// and checked before anything of the slice begins.
package pipeline
