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
	// backstage/backstage#21982, Borales/actions-yarn#19.
	{regexp.MustCompile(`FATAL ERROR: .*(heap limit|heap out of memory|Allocation failed)|ERR_WORKER_OUT_OF_MEMORY`),
		"Node.js reached the limit of its heap: give more of the machine's memory, in MB, such as NODE_OPTIONS=--max-old-space-size=6144, in the environment of stagecrew"},
	// meshery/schemas#879: a limit above what the machine has.
	{regexp.MustCompile(`(?i)\bexit (code|status):? 137\b|signal:? (SIGKILL|killed)\b|^Killed$`),
		"the system ended a program (signal 9), as it does when memory is used up: take a larger machine, or a smaller --max-old-space-size"},
	// cosmos/cosmjs#1644, yarnpkg/berry#769.
	{regexp.MustCompile(`Not a zip archive|Unrecognized archive format|invalid tar file|incorrect header check|TAR_BAD_ARCHIVE`),
		"an archive of a package is none: where the workspace keeps it in Git LFS, have it checked out (actions/checkout with lfs: true)"},
	// nodejs/corepack#612, cypress-io/github-action#1355, docker/build-push-action#1313.
	{regexp.MustCompile(`Cannot find matching keyid`), "Corepack is older than the keys with which npm's registry signs now: `npm install -g corepack@latest`, or a newer Node.js, where stagecrew builds"},
	// npm/cli#3946, tldraw/tldraw#3247.
	{regexp.MustCompile(`Unsupported URL Type "(workspace|catalog|portal|patch|link):"`),
		"npm does not know the form in which a package.json asks for a dependency: the workspace was made for Yarn or pnpm, so build it with that one's lockfile, or write a version (npm links the workspace's own packages by their names)"},
	// npm 12: SignalK/signalk-server#2863 has the announcement.
	{regexp.MustCompile(`npm (error|ERR!) code EALLOW(GIT|REMOTE)`), "since its version 12 npm takes dependencies out of Git, or by their addresses, only where .npmrc lets it: allow-git=root, allow-remote=root"},
	// yarnpkg/berry#2349, #2583, igor-dv/jest-specific-snapshot#29, getappmap/vscode-appland#547.
	{regexp.MustCompile(`YN0018: .*@npm:`),
		"what the registry of packages or Yarn's cache gave is not what yarn.lock names: clear the cache (`yarn cache clean --all`); a mirror may pack packages anew, and another version of Yarn or another compressionLevel makes other sums"},
	// yarnpkg/berry#1142, #5795, grafana/grafana#46439.
	{regexp.MustCompile(`YN0018: .*#commit=`),
		"Yarn packs a dependency out of Git where it is installed, and it came out as another one here: ask for a published package, or for the archive of that commit"},
	// yarnpkg/berry#7231, dependabot/dependabot-core#15137, docker/setup-qemu-action#314.
	{regexp.MustCompile(`YN0016: .* quarantined`),
		"Yarn takes no package that is younger than npmMinimalAgeGate, or whose registry does not say its age, as GitHub's: name it in npmPreapprovedPackages of .yarnrc.yml, or let the lockfile name an older version"},
	{regexp.MustCompile(`ENOSPC|No space left on device|no space left on device`), "the disk is full where stagecrew builds: free some of it, or set TMPDIR and the caches of the package manager to a larger one"},
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
