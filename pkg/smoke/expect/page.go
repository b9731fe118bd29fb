package expect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Page is what a browser has seen of a page. Its texts are the page's.
type Page struct {
	Title string
	Words string // the beginning of what it shows
	Found bool   // the selector's element is visible, or there is no selector
	Said  bool   // it shows the text, or there is none
	Blank bool   // its root element shows nothing at all
	// Ended says what became of the visit where the page is not there to be looked at,
	// "" where it is.
	Ended string
	// Troubles are errors in their order: failed requests, uncaught exceptions, errors
	// in the console.
	Troubles []string
	// Elsewhere are the hosts that the page has asked for something and that are not
	// allowed.
	Elsewhere []string
}

// Shows reports whether the page shows what it must.
func (p Page) Shows() bool { return p.Ended == "" && p.Found && p.Said && !p.Blank }

// judge says what is wrong with a page: first what visitors see, then why.
func (p Page) judge(ctx context.Context, b Browser) error {
	troubles := slices.DeleteFunc(slices.Clone(p.Troubles), func(text string) bool { return !b.Counts(ctx, text) })
	headline := p.headline(b)
	if headline == "" && len(troubles) == 0 {
		return nil
	}
	parts := []string{}
	if headline != "" {
		parts = append(parts, headline)
	}
	const shown = 3
	parts = append(parts, troubles[:min(len(troubles), shown)]...)
	if more := len(troubles) - shown; more > 0 {
		parts = append(parts, fmt.Sprintf("%d more errors", more))
	}
	if headline != "" && len(p.Elsewhere) > 0 {
		parts = append(parts, "it asks other hosts, which are not allowed: "+strings.Join(p.Elsewhere, ", "))
	}
	return errors.New(strings.Join(parts, "; "))
}

// headline is what visitors see that is not as it must be, "" where all is.
func (p Page) headline(b Browser) string {
	switch {
	case p.Ended != "":
		return p.Ended
	case p.Blank:
		return "the page is blank"
	case !p.Found:
		return fmt.Sprintf("the page shows no element \"%s\"%s", b.Selector, p.instead())
	case !p.Said:
		return fmt.Sprintf("the page does not show \"%s\"%s", b.Text, p.instead())
	}
	return ""
}

// instead is what the page shows in place of what it should.
func (p Page) instead() string {
	if words := strings.Join(strings.Fields(p.Words), " "); words != "" {
		return fmt.Sprintf("; it shows \"%.80s\"", words)
	}
	return ""
}

// Counts reports whether an error is none of those that are allowed.
func (b Browser) Counts(ctx context.Context, trouble string) bool {
	return !slices.ContainsFunc(b.Allow, func(pattern string) bool { return matches(ctx, pattern, []byte(trouble)) })
}
