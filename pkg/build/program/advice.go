package program

import "regexp"

// compiled begins the advice about a dependency that is built where it is installed.
const compiled = "a dependency is compiled when it is installed, "

// known are lines whose cause is known but not said by them, and what helps.
var known = []struct {
	line *regexp.Regexp
	says string
}{
	// backstage/backstage#18717, #27978.
	{regexp.MustCompile(`gyp ERR! (find Python|stack Error: Could not find any Python)`), compiled + "and that needs Python: install python3, make and g++ where stagecrew builds"},
	// backstage/backstage#20113.
	{regexp.MustCompile(`node-gyp: (command )?not found`), compiled + "and calls node-gyp: add it to the devDependencies of the package.json at the top, or to the dependencies of packages/backend"},
	{regexp.MustCompile(`gyp ERR! .*not found: (make|g\+\+|c\+\+)|\b(make|g\+\+|c\+\+): (command )?not found|spawn make ENOENT`), compiled + "and that needs a compiler: install python3, make and g++ where stagecrew builds"},
	// nodejs/node-gyp#1798, #2174, #3000, #3003.
	{regexp.MustCompile(`gyp ERR! .*(node-v[\d.]+-headers|nodejs\.org)`), compiled + "and fetches Node's headers from nodejs.org, which does not answer here: give the folder that has include/node as npm_config_nodedir"},
	// laverdet/isolated-vm#500, #528: the headers of a newer Node want a newer C++.
	{regexp.MustCompile(`#error .*C\+\+\d+ or later required`), compiled + "and its version is older than this Node.js: take a newer one, or the Node.js that it knows"},
}

// adviceFor gives what helps, "" for a line that says nothing or says it itself.
func adviceFor(line string) string {
	for _, k := range known {
		if k.line.MatchString(line) {
			return k.says
		}
	}
	return ""
}
