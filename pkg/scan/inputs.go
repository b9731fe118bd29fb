//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"errors"
	"slices"
	"time"

	"github.com/stagecrew/stagecrew/pkg/files"
)

// CheckInputs tells what is wrong with the ignore file and the VEX documents before
// there is an image. Each scan reads them, which it can do once with a pipe: that, and
// what is no file, is left to the scan.
func (o Options) CheckInputs() error {
	var ignoresErr error
	if files.IsRegular(o.IgnoreFile) {
		_, ignoresErr = readIgnores(o.IgnoreFile, time.Now())
	}
	documents := slices.DeleteFunc(slices.Clone(o.VEX), func(file string) bool { return !files.IsRegular(file) })
	return errors.Join(ignoresErr, checkVEX(documents))
}
