// Package process keeps what this process knows from the programs that it starts.
package process
