// Package pipeline is the way from a source to a release: the stages as a table, and
// what runs them. A stage begins when what it needs is there, gets it as arguments
// and hands on what it made; what needs nothing of each other runs side by side.
package pipeline
