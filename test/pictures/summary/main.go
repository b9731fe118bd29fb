// Command summary writes a job's summary as a page that looks like GitHub's, but for the
// picture, which stays the text that GitHub draws it of.
//
//	stagecrew report RECORD | summary >PAGE
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/stagecrew/stagecrew/test/hostile"
)

const page = `<!DOCTYPE html>
<meta charset="utf-8">
<style>
body { margin: 24px auto; max-width: 920px; font: 16px/1.5 -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; color: #1f2328 }
table { border-collapse: collapse; margin-bottom: 16px } th, td { padding: 6px 13px; border: 1px solid #d1d9e0; text-align: left } tr:nth-child(2n) td { background: #f6f8fa }
code, pre { font: 13.6px/1.45 ui-monospace, "Liberation Mono", monospace; background: #f2f3f5; border-radius: 6px } code { padding: .2em .4em; overflow-wrap: anywhere } pre { padding: 16px; overflow: auto } pre code { padding: 0; background: none }
p { overflow-wrap: anywhere } details { margin-bottom: 16px }
</style>
%s`

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err == nil {
		_, err = fmt.Printf(page, hostile.Rendered(string(text)))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "summary: %v\n", err)
		os.Exit(1)
	}
}
