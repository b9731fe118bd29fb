package pipeline

import (
	"slices"
	"strings"
)

// Redactor takes known secret values out of texts.
type Redactor struct{ replacer *strings.Replacer }

// shortest is how many characters a value must have: shorter ones stand in too
// many innocent words.
const shortest = 5

// NewRedactor makes one for the given values. Each line of a value of several
// lines counts by itself, too: logs break them.
func NewRedactor(secrets []string) Redactor {
	var values []string
	for _, secret := range secrets {
		for _, value := range append(strings.Split(secret, "\n"), secret) {
			if value = strings.TrimSpace(value); len(value) >= shortest {
				values = append(values, value)
			}
		}
	}
	// The longest first: a value may be part of another.
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, value := range values {
		pairs = append(pairs, value, "***")
	}
	return Redactor{strings.NewReplacer(pairs...)}
}

// Text gives a text without the secret values.
func (r Redactor) Text(text string) string {
	if r.replacer == nil {
		return text
	}
	return r.replacer.Replace(text)
}

// Cause gives a cause without the secret values.
func (r Redactor) Cause(c Cause) Cause {
	c.Message = r.Text(c.Message)
	return c
}

// Evidence gives evidence without the secret values.
func (r Redactor) Evidence(e Evidence) Evidence {
	e.Cause, e.Diff = r.Cause(e.Cause), r.Text(e.Diff)
	e.Pods, e.Events, e.Logs = slices.Clone(e.Pods), slices.Clone(e.Events), slices.Clone(e.Logs)
	for i := range e.Pods {
		e.Pods[i].Message = r.Text(e.Pods[i].Message)
	}
	for i := range e.Events {
		e.Events[i].Message = r.Text(e.Events[i].Message)
	}
	for i := range e.Logs {
		e.Logs[i].Text = r.Text(e.Logs[i].Text)
	}
	return e
}
