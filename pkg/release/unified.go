package release

import (
	"fmt"
	"strings"
)

const (
	// around is how many equal lines a unified diff shows before and after a change.
	around = 3
	// maxCells bounds the memory of a comparison; beyond it everything between
	// the equal beginning and end counts as changed.
	maxCells = 16 << 20
)

// edit is one line of a comparison: ' ' kept, '-' removed, '+' added.
type edit struct {
	mark byte
	line string
}

// unified gives a unified diff of two texts, "" when they are equal.
func unified(from, to, before, after string) string {
	if before == after {
		return ""
	}
	edits := compareLines(lines(before), lines(after))
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", from, to)
	oldLine, newLine := 1, 1
	for i := 0; i < len(edits); {
		if edits[i].mark == ' ' && !changes(edits, i) {
			i, oldLine, newLine = i+1, oldLine+1, newLine+1
			continue
		}
		end := i
		for end < len(edits) && (edits[end].mark != ' ' || near(edits, end)) {
			end++
		}
		hunk := edits[i:end]
		oldCount, newCount := count(hunk, '+'), count(hunk, '-')
		fmt.Fprintf(&b, "@@ -%s +%s @@\n", span(oldLine, oldCount), span(newLine, newCount))
		for _, e := range hunk {
			b.WriteByte(e.mark)
			b.WriteString(e.line + "\n")
		}
		i, oldLine, newLine = end, oldLine+oldCount, newLine+newCount
	}
	return b.String()
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// changes reports whether a change begins within the lines that a hunk shows before it.
func changes(edits []edit, at int) bool {
	for _, e := range edits[at:min(at+around+1, len(edits))] {
		if e.mark != ' ' {
			return true
		}
	}
	return false
}

// near reports whether a kept line belongs to a hunk: a change is close on a side.
func near(edits []edit, at int) bool {
	for _, e := range edits[max(at-around, 0):at] {
		if e.mark != ' ' {
			return true
		}
	}
	return changes(edits, at)
}

// count counts the lines of a hunk that one side has: all but the other's.
func count(hunk []edit, other byte) int {
	n := 0
	for _, e := range hunk {
		if e.mark != other {
			n++
		}
	}
	return n
}

// span is a hunk's place on one side; a side without lines is named by the one before.
func span(first, count int) string {
	if count == 0 {
		first--
	}
	return fmt.Sprintf("%d,%d", first, count)
}

// compareLines finds the longest common subsequence between the equal beginning
// and the equal end.
func compareLines(before, after []string) []edit {
	start, end := 0, 0
	for start < min(len(before), len(after)) && before[start] == after[start] {
		start++
	}
	for end < min(len(before), len(after))-start && before[len(before)-1-end] == after[len(after)-1-end] {
		end++
	}
	var edits []edit
	for _, line := range before[:start] {
		edits = append(edits, edit{' ', line})
	}
	edits = append(edits, compareMiddle(before[start:len(before)-end], after[start:len(after)-end])...)
	for _, line := range before[len(before)-end:] {
		edits = append(edits, edit{' ', line})
	}
	return edits
}

func compareMiddle(before, after []string) []edit {
	var edits []edit
	i, j := 0, 0
	if len(before)*len(after) <= maxCells {
		common := commonLengths(before, after)
		for i < len(before) && j < len(after) {
			switch {
			case before[i] == after[j]:
				edits = append(edits, edit{' ', before[i]})
				i, j = i+1, j+1
			case common[i+1][j] >= common[i][j+1]:
				edits = append(edits, edit{'-', before[i]})
				i++
			default:
				edits = append(edits, edit{'+', after[j]})
				j++
			}
		}
	}
	for _, line := range before[i:] {
		edits = append(edits, edit{'-', line})
	}
	for _, line := range after[j:] {
		edits = append(edits, edit{'+', line})
	}
	return edits
}

// commonLengths gives the length of the longest common subsequence of each two ends.
func commonLengths(before, after []string) [][]int32 {
	table := make([][]int32, len(before)+1)
	for i := range table {
		table[i] = make([]int32, len(after)+1)
	}
	for i := len(before) - 1; i >= 0; i-- {
		for j := len(after) - 1; j >= 0; j-- {
			if before[i] == after[j] {
				table[i][j] = table[i+1][j+1] + 1
			} else {
				table[i][j] = max(table[i+1][j], table[i][j+1])
			}
		}
	}
	return table
}
