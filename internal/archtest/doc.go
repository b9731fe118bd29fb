// Package archtest holds tests of the architecture: which package may reach which
// library, where the environment is read, and that every error code is explained.
// It has no code of its own.
package archtest
