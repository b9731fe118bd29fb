package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
)

// kept are the comparisons that a document has from earlier, as their text by the letter.
// They stay when only others are measured: no results are needed for that.
type kept map[string]string

var (
	sectionHead    = regexp.MustCompile(`(?m)^## (?:\(([a-z])\) )?`)
	conditionsLine = regexp.MustCompile(`(?m)^(\d+ processors.*)\.$`)
)

const elsewhere = "Measured earlier, on another machine or with other versions: "

// readKept reads what a document has. What was measured under other conditions than
// these says so from now on.
func readKept(file string, now conditions) (kept, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the document that is there: %w", err)
	}
	return keptOf(string(text), now), nil
}

func keptOf(text string, now conditions) kept {
	sections := kept{}
	heads := sectionHead.FindAllStringSubmatchIndex(text, -1)
	if len(heads) == 0 {
		return sections
	}
	before := ""
	if found := conditionsLine.FindStringSubmatch(text[:heads[0][0]]); found != nil {
		before = found[1]
	}
	for i, head := range heads {
		if head[2] < 0 {
			continue // not a comparison
		}
		end := len(text)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		section := strings.TrimRight(text[head[0]:end], "\n")
		if before != now.String() && !strings.Contains(section, elsewhere) {
			section += "\n\n" + elsewhere + before + "."
		}
		sections[text[head[2]:head[3]]] = section
	}
	return sections
}
