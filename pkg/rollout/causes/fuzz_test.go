package causes

import (
	"strings"
	"testing"
)

func FuzzRules(f *testing.F) {
	f.Add("image-not-found=0s")
	f.Add("crash-loop=ignore")
	f.Add("=1m")
	f.Fuzz(func(_ *testing.T, text string) { _, _ = ParseRules(strings.Split(text, ",")) })
}
