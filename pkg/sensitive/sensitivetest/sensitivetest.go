// Package sensitivetest has examples, by which build and validation are tested alike.
package sensitivetest

const pemKey = "-----BEGIN EC PRIVATE KEY-----\nMHc=\n-----END EC PRIVATE KEY-----\n"

// Paths lie in a folder of the application, with why they are not to be in an image;
// "" for those that are.
var Paths = []struct{ Path, Content, Why string }{
	{"a.yaml", "a: b", ""},
	{".gitignore", "x", ""},
	{".gitkeep", "", ""},
	{"environment.yaml", "x", ""},
	{"certificates/ca.pem", "-----BEGIN CERTIFICATE-----\n", ""},
	{"locales.yaml", "x", ""},
	{".env", "x", "environment"},
	{".envrc", "x", "environment"},
	{".env-production", "x", "environment"},
	{".env_prod", "x", "environment"},
	{".ENV", "x", "environment"},
	{"sub/.Env.local", "x", "environment"},
	{".npmrc", "x", "login"},
	{".NPMRC", "x", "login"},
	{".netrc", "x", "login"},
	{".git-credentials", "x", "credentials"},
	{"sub/.git/config", "x", "credentials"},
	{".aws/credentials", "x", "credentials"},
	{".docker/config.json", "x", "credentials"},
	{".kube/config", "x", "credentials"},
	{".ssh/known_hosts", "x", "credentials"},
	{".gnupg/x", "x", "credentials"},
	{"kubeconfig", "x", "credentials"},
	{"x.local.yaml", "x", "machine"},
	{"x.local.yml", "x", "machine"},
	{"app-config.local.yaml", "x", "machine"},
	{"app-config-local.yaml", "x", "machine"},
	{"id_rsa", "x", "key"},
	{"release.p12", "x", "key"},
	{"tls.key", pemKey, "key"},
	{"tls.PEM", "some words\n" + pemKey, "key"},
}
