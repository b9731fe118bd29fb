// Package sensitivetest has examples, by which build and validation are tested alike.
package sensitivetest

import "strings"

// longText is as long as that of a key.
var longText = strings.Repeat("MIIEvQIBADANBgkqhkiG", 8)

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
	{".gitlab-ci.yml", "x: y", ""},
	{".env.example", "TOKEN=", ""},
	{"docs/keys.yaml", "text: a file that begins with -----BEGIN PRIVATE KEY-----", ""},
	{".github/workflows/ci.yaml", "x: y", ""},
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
	{".ssh/deploy", "x", "credentials"},
	{".gnupg/secring.gpg", "x", "credentials"},
	{"kubeconfig", "x", "credentials"},
	{"x.local.yaml", "x", "machine"},
	{"x.local.yml", "x", "machine"},
	{"app-config.local.yaml", "x", "machine"},
	{"app-config-local.yaml", "x", "machine"},
	{".npmrc.bak", "x", "login"},
	{".yarnrc", "\"//registry.example.com/:_authToken\" abc", "login"},
	{".git-credentials.old", "x", "credentials"},
	{"prod.env", "x", "environment"},
	{"env.local", "x", "environment"},
	{".terraformrc", "x", "credentials"},
	{".config/gcloud/application_default_credentials.json", "{}", "credentials"},
	{".config/gh/hosts.yml", "x", "credentials"},
	{"github-app-portal-credentials.yaml", "x", "GitHub App"},
	{"credentials.json", "{\"private_key\": \"-----BEGIN PRIVATE KEY-----\\n" + longText + "\\n\"}", "key"},
	{"settings.json", "{\"token\": \"npm_abcdefghijklmnopqrstuvwxyz" + "0123456789\"}", "token"},
	{"id_rsa", "x", "key"},
	{"release.p12", "x", "key"},
	{"tls.key", pemKey, "key"},
	{"deploy_key", pemKey, "key"},
	{"tls.PEM", "some words\n" + pemKey, "key"},
}
