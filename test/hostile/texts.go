// Package hostile has texts that look for a way out of every place in which text of
// registries, clusters, containers and pages is shown, and reads these places as those do
// who show them.
package hostile

import (
	"fmt"
	"strings"

	"github.com/stagecrew/stagecrew/test/race"
)

// Texts are about 350, without any twice; under the race detector a seventh of them.
func Texts() []string {
	all := commands()
	for _, one := range [][]string{terminal, lines, invisible, markdown, github, markup, formats, shells} {
		all = append(all, one...)
	}
	all = append(all, strings.Repeat("long ", 4000), strings.Repeat("x", 20_000), strings.Repeat("$", 2000), strings.Repeat("[", 3000), strings.Repeat("\n", 2000)+"end")
	return race.Sample(all, 7)
}

// Runner are the commands of GitHub's runner, ActionCommandManager of actions/runner.
var Runner = []string{
	"set-output", "set-env", "add-path", "add-mask", "save-state", "stop-commands", "error", "warning", "group", "endgroup", "debug", "echo",
	"add-matcher", "remove-matcher", "notice", "internal-set-repo-path",
}

// commands are those of the runner, each as it could be slipped in.
func commands() (all []string) {
	around := []string{"::%s::good", " \t::%s::good", "x\n::%s::good", "x\r::%s::good", "x\r\n\u00a0::%s::good", "##[%s;]good", "text ##[%s]good", "x\u2028::%s::y"}
	for _, name := range Runner {
		for _, form := range around {
			all = append(all, fmt.Sprintf(form, name))
		}
	}
	return append(all, ":::error::x", "###[error]x", "\u200b::error::x", "::\u200berror::x", "\x1b[2K\r::error::x", ":", "#", "##", "[error]x", "\ufeff::warning file=a,line=1::x")
}

// What steers a terminal: colours, erasing, links of OSC 8, titles, 8-bit controls.
var terminal = []string{
	"\x1b[31mred\x1b[0m", "\x1b[2J\x1b[H", "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\", "\x1b]0;title\x07", "\x9b31m", "\u009b2J", "\u0090q\u009c",
	"\x1bc", "\x1b[1A\x1b[2K", "a\bb", "\x07bell", "\x0e\x0f", "\x7fdel", "\x1b[?1049h", "\x1bP+q\x1b\\", "\x1b]52;c;ZXZpbA==\x07",
}

// What ends a line somewhere.
var lines = []string{
	"a\nb", "a\r\nb", "a\rb", "a\u2028b", "a\u2029b", "a\u0085b", "a\vb", "a\fb", "a\x1eb", "a\n\nb", "a\n\n\n# heading", "\n", "a\tb\tc", "a\n=====", "a\n-----", "a\n    code",
}

// What cannot be seen, or looks like something else.
var invisible = []string{
	"a\u200bb", "a\u200db", "a\ufeffb", "a\u00adb", "a\u2060b", "\u202egnp.exe", "a\u202db\u202c", "a\u2066b\u2069", "a\u200fb", "a\u061cb", "\U000e0041\U000e0042", "a\ufe0fb",
	"p\u0430ypal", "\u037e\u1fef", "\uff1a\uff1aerror\uff1a\uff1ax", "z\u0335\u0321\u0322", "\xff\xfe", "\xed\xa0\x80", "\xc0\xaf", "a\xe2\x80", "\x00", "a\x00b", "\ufffd", "\ufffe", "\u115f", "\u3164",
}

// Markdown of everybody.
var markdown = []string{
	"[x](https://evil.example)", "[x](javascript:alert(1))", "![x](https://evil.example/x.png)", "[x]: https://evil.example", "<https://evil.example>", "https://evil.example",
	"http://evil.example/a_b_(c)", "ftp://evil.example/x", "www.evil.example", "joe@evil.example", "mailto:joe@evil.example", "<joe@evil.example>", "# heading", "###### heading", "- item", "* item",
	"+ item", "1. item", "2) item", "> quote", "> [!WARNING]\n> quote", "---", "***", "___", "===", "- - -", "- [x] done", "a|b|c", "|---|---|", "a\n|---|\n|b|", "`code`", "``code", "`", "```\ncode\n```",
	"~~~\ncode", "**bold**", "_it_ __it__", "~~gone~~", "a*b*c", "\\", "\\*x\\*", "a\\", "a  \nb", "&lt;b&gt;", "&#60;b&#62;", "&copy;", "&", "[^1]\n\n[^1]: note", "<!-- hidden", "-->", "[ ]", "](x)", "![", "***bold** x*",
	"```mermaid\ngantt\n  click a call alert()\n```", "%%{init: {'securityLevel': 'loose'}}%%", "click a href \"javascript:alert(1)\"", "section a :done, 0, 1", "title x", "gantt", "x :crit, 0, 9", "a;b#quot;c",
}

// What GitHub makes more of.
var github = []string{
	"@octocat", "@org/team", "(@octocat)", "x/@octocat", "node_modules/@backstage/core", "@dependabot rebase", "#1", "fixes #12", "(#12)", "org/repo#1", "GH-12", "gh-3", "org/repo@0123456789abcdef0123456789abcdef01234567",
	":tada:", ":+1:", "server.js:100:7", ":100:", ":shipit::boom:", "$x$", "$$\\color{red}x$$", "costs $5 or $6", "$`x`$", "$\\href{https://evil.example}{x}$", "${HOME}/$PATH", "#ff0000", "/assign @octocat",
}

// HTML and XML.
var markup = []string{
	"<script>alert(1)</script>", "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `" autofocus onfocus="alert(1)`, "<svg onload=alert(1)>",
	"<svg><title><b>", "<iframe src=https://evil.example>", "<a href=javascript:alert(1)>x</a>", "<details open ontoggle=alert(1)>", "</details>", "</summary><b>", "</pre></details><h1>x", "</td></tr></table>", "<style>*{display:none}</style>",
	"</style><script>", "</title><script>", "<base href=https://evil.example>", "<meta http-equiv=refresh content=0>", "<form action=x><button>", "<!--", "--!><b>", "]]><b>", "<![CDATA[x]]>", "<?xml version=1?>", "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>&e;",
	"<picture><source srcset=x>", "<b", "<", ">", "&lt;script&gt;", "&#x3c;script&#x3e;", "javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "<sub><sup><kbd>", "<math><mtext></mtext></math>", "<h1>big</h1>", "<span>x", "</span>",
}

// What programs read: files of the runner, expressions, JSON, YAML, templates, formats, URIs.
var formats = []string{
	"_GitHubActionsFileCommandDelimeter_\nx<<y", "ghadelimiter_\nverdict=good", "x<<EOF\ny\nEOF", "verdict=good", "\nverdict<<E\ngood\nE\n", "${{ secrets.TOKEN }}", "${{ github.token }}", "{{.Secret}}", "{{ template \"x\" }}",
	"%s%n%x", "%!d(string=x)", "%0A::error::x", "%25", `","verdict":"good","x":"`, `"}],"a":[{"`, `\u003cscript\u003e`, `\"`, `\u0000`, "a: b\n- c", "!!binary x", "*anchor", "&anchor", "? key", "key: [", "---\nverdict: good",
	"=cmd|' /C calc'!A0", "=HYPERLINK(\"https://evil.example\")", "file:///etc/passwd", "vbscript:x", "//evil.example/x", "https:/\\evil.example", "../../../etc/passwd", "..\\..\\x", "/etc/passwd", "C:\\x", "con", ".", "..", "-rf", ".hidden", "a/b", "a:b?c*d",
}

// What a shell does with what is pasted.
var shells = []string{
	"; rm -rf ~", "$(reboot)", "`reboot`", "a && reboot", "a | sh", "a > /etc/passwd", "'; reboot; '", "\"; reboot; \"", "a\nreboot\n", "!!", "~root", "*", "{a,b}", "--flag", "$'\\x41'", "a # b", "\\\nreboot",
}
