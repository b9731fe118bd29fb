package browser

import (
	"context"
	"encoding/binary"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

const (
	large = 1 << 20 // bytes of a page
	many  = 2000    // files of a page
)

func utf16Of(text string, order binary.AppendByteOrder) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		out = order.AppendUint16(out, unit)
	}
	return out
}

// A Latin-1 title panicked in the middle of a deploy, and in each one after it.
func TestReferencesOfPagesInAnyEncoding(t *testing.T) {
	want := []Reference{{"/a.js", "javascript"}, {"/b.css", "css"}}
	const files = `<script src="/a.js"></script><link rel="stylesheet" href="/b.css">`
	for name, c := range map[string]struct{ page, contentType string }{
		"Latin-1 that says so nowhere":            {files + "<title>\xdcbersicht f\xfcr \xc4rzte</title>", "text/html"},
		"Latin-1 before the files":                {"<title>\xdcbersicht f\xfcr \xc4rzte</title>" + files, "text/html; charset=iso-8859-1"},
		"letters that grow when they are lowered": {"<title>ȺȾİẞK</title>" + files + "<title>ȺȾ", "text/html; charset=utf-8"},
		"a meta element names it":                 {`<meta charset="windows-1251"><title>` + "\xcf\xf0\xe8\xe2\xe5\xf2</title>" + files, "text/html"},
		"UTF-16, little end first":                {string(utf16Of("<title>ü</title>"+files, binary.LittleEndian)), "text/html"},
		"UTF-16, big end first":                   {string(utf16Of("<title>ü</title>"+files, binary.BigEndian)), "text/html"},
		"a charset that nobody knows":             {"<title>x</title>" + files, "text/html; charset=x-nobody"},
		"Shift JIS":                               {"<title>\x83\x65\x83\x58\x83\x67</title>" + files, "text/html; charset=shift_jis"},
		"zero bytes and half a rune":              {"\x00\xe2\x82<title>\x00</title>" + files, "text/html"},
		"no content type":                         {files, ""},
		"addresses with white space":              {"<script src=' /a\n.js\t'></script><link rel=stylesheet href=\"\n/b.css \">", "text/html"},
	} {
		t.Run(name, func(t *testing.T) {
			_, got, err := References(t.Context(), []byte(c.page), c.contentType, many)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

// A10 of the security reading: the time that these took grew with the square of their
// length, to minutes for 1 MiB, which neither budget nor signal ended.
func TestLargePagesAreReadInOneGo(t *testing.T) {
	for name, piece := range map[string]string{
		"empty scripts": "<script></script>", "scripts that do not end": "<script>", "opened only": "<", "comments": "<!--", "attributes": "<a b='",
		"ends": "</script", "titles": "<title>", "many attributes": " a=b", "entities": "&amp", "declarations": "<!DOCTYPE", "end of comments": "<!-- -->",
		"one file": "<script src=/a.js></script>",
	} {
		t.Run(name, func(t *testing.T) {
			page := "<p" + strings.Repeat(piece, large/len(piece))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, found, err := References(ctx, []byte(page), "text/html", many)
			require.NoError(t, err, "not in time")
			require.LessOrEqual(t, len(found), 1)
		})
	}
}

func TestAPageMayNameAnyNumberOfFilesOfOthers(t *testing.T) {
	var page strings.Builder
	for i := range 3 * many {
		page.WriteString(`<script src="https://elsewhere.test/` + strings.Repeat("x", i) + `"></script>`)
		if page.Len() > large {
			break
		}
	}
	_, found, err := References(t.Context(), []byte(page.String()), "", 100)
	require.NoError(t, err)
	require.Len(t, found, 100)
}

// A10 of the security reading, too: its page.
func TestTheEndOfTheBudgetEndsTheReadingOfAPage(t *testing.T) {
	var page strings.Builder
	for i := 0; page.Len() < large; i++ {
		page.WriteString(`<script src="/a` + strconv.Itoa(i) + `.js"></script>`)
	}
	_, found, err := References(t.Context(), []byte(page.String()), "text/html", many)
	require.NoError(t, err)
	require.Len(t, found, many)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = References(ended, []byte(page.String()), "text/html", many)
	require.ErrorIs(t, err, context.Canceled)
}
