package program

import (
	"regexp"
	"slices"
	"strings"
)

// What the programs of a build get of the environment of this process, which also
// holds the secrets of later stages. A star at the end stands for any rest.
var (
	// everyone needs these: the system, the way out, the compiler of native modules.
	everyone = []string{
		"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_*", "TZ", "TERM", "TMPDIR", "TMP", "TEMP", "XDG_*",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
		"SSL_CERT_FILE", "SSL_CERT_DIR", "SOURCE_DATE_EPOCH", "CI", "NO_COLOR", "FORCE_COLOR",
		"CC", "CXX", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "MAKEFLAGS", "JOBS", "PYTHON",
	}
	// scripts of the workspace run Node, and the package manager again.
	scripts = append([]string{"NODE_OPTIONS", "NODE_ENV", "NODE_EXTRA_CA_CERTS", "NPM_CONFIG_*", "npm_config_*", "YARN_*", "COREPACK_*"}, everyone...)
	// An installation logs in to registries of packages.
	installers = append([]string{"NPM_*", "NODE_AUTH_TOKEN"}, scripts...)
	// Docker and buildctl run no foreign code themselves: BuildKit does. They log in.
	imageBuilders = append([]string{
		"DOCKER_*", "BUILDX_*", "BUILDKIT_*", "BUILDCTL_*", "SSH_AUTH_SOCK", "AWS_*", "AZURE_*", "GOOGLE_*", "CLOUDSDK_*",
		"ACTIONS_CACHE_URL", "ACTIONS_CACHE_SERVICE_V2", "ACTIONS_RESULTS_URL", "ACTIONS_RUNTIME_TOKEN",
	}, everyone...)
)

// credential is in the names of variables that log in somewhere.
var credential = regexp.MustCompile(`(?i)(token|auth|passw|secret|credential|_key$|ident$)`)

// allowed keeps of an environment what the patterns and the further names have.
func allowed(environ, patterns, further []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return !slices.Contains(further, name) && !fits(name, patterns)
	})
}

// fits reports whether one of the patterns has a name.
func fits(name string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		prefix, open := strings.CutSuffix(pattern, "*")
		return name == pattern || open && strings.HasPrefix(name, prefix)
	})
}

// ForScripts is the environment of code that comes with the dependencies. What only an
// installation gets is there without its value: settings name it, and Yarn runs no script
// where a variable is not there that they name (yarnpkg/berry#6504).
func ForScripts(environ, further []string) []string {
	given := allowed(environ, installers, further)
	for i, variable := range given {
		name, _, _ := strings.Cut(variable, "=")
		if !slices.Contains(further, name) && (credential.MatchString(name) || !fits(name, scripts)) {
			given[i] = name + "="
		}
	}
	return given
}

// ForInstallers is the environment of a package manager.
func ForInstallers(environ, further []string) []string { return allowed(environ, installers, further) }

// ForImageBuilders is the environment of docker and buildctl.
func ForImageBuilders(environ, further []string) []string {
	return allowed(environ, imageBuilders, further)
}
