package main

import "strings"

// change is what one change of the product brought: whole processes in pairs, the build
// before it and the one with it in turn, each figure the median, and the ratio that of the pairs.
// They are measured by hand, when the change is made, and stay.
type change struct{ what, before, after, ratio string }

// changes are those of November 2026, on two processors that others used as well.
var changes = []change{
	{"`stagecrew version`: no garbage is collected while the program starts, CPU s", "0.091", "0.076", "0.83"},
	{"(a) for stagecrew: that, fewer requests, CPU s", "0.163", "0.135", "0.82"},
	{"the same, peak MB", "138", "152", "1.10"},
	{"5 000 installed packages, changed application: rules for names that do not fit are not tried, CPU s", "3.18", "0.68", "0.21"},
	{"the same, seconds", "14.8", "3.4", "0.17"},
	{"the same, peak MB", "170", "172", "1.02"},
}

// growth is how time and memory of `stagecrew build` grow with the packages that lie in
// node_modules, by /usr/bin/time -v: those of a workspace that others have installed, of
// eight files each.
var growth = []struct{ packages, files, cold, changed, peak string }{
	{"500", "5 000", "0.6", "0.15", "173"},
	{"5 000", "50 000", "4.3", "0.6", "201"},
	{"20 000", "200 000", "22.9", "2.6", "231"},
}

// sizes is how they grow with the bytes of the dependencies, as whole processes: of files of
// 250 kB that packing makes half as large; nothing of them is in the registry. Medians of
// three runs, but for the first build of the last row.
var sizes = []struct{ megabytes, cold, changed, peak string }{
	{"50", "1.5", "0.11", "174"},
	{"500", "14.4", "0.14", "180"},
	{"2 000", "64.5", "", "184"},
}

const sizesHead = `
The same by the size of the dependencies, of files of 250 kB that packing makes half as large, sent to a registry that has nothing of them. Medians of three
builds each, on two processors with a load of 25; the last row is one build.

`

const changesHead = `
## What changes brought

The builds of stagecrew before and after a change, in pairs by turns, on two processors that were not idle: medians, and the median of the
ratios of the pairs. Measured once, by hand, when the change was made.

`

const growthHead = `
## Growth

` + "`stagecrew build`" + ` of a workspace whose dependencies are installed already (each package has eight files of 2.5 kB): the first build, and one after
a change of the application. CPU seconds, because the machine was shared; peak memory of the first build. The last row was measured before the last step of the change.

`

func writeChanges(b *strings.Builder) {
	b.WriteString(changesHead)
	row(b, []string{"", "before", "after", "times as long"})
	row(b, []string{"---", "---", "---", "---"})
	for _, c := range changes {
		row(b, []string{c.what, c.before, c.after, c.ratio})
	}
	b.WriteString(growthHead)
	row(b, []string{"packages", "files and folders", "first build, CPU s", "changed application, CPU s", "peak MB"})
	row(b, []string{"---", "---", "---", "---", "---"})
	for _, g := range growth {
		row(b, []string{g.packages, g.files, g.cold, g.changed, g.peak})
	}
	b.WriteString(sizesHead)
	row(b, []string{"dependencies, MB", "first build, CPU s", "changed application, CPU s", "peak MiB"})
	row(b, []string{"---", "---", "---", "---"})
	for _, s := range sizes {
		row(b, []string{s.megabytes, s.cold, s.changed, s.peak})
	}
}
