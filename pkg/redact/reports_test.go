package redact

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What people reported of other tools.
func TestRedactor_ReportedLeaks(t *testing.T) {
	const key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\nQyNTUxOQAAACDnoSuchKeyAtAllButItLooksLikeOne\n-----END OPENSSH PRIVATE KEY-----\n"
	for _, c := range []struct {
		source, secret, text, want string
	}{
		{"helm/helm#12176: the whole Secret in the API server's words", "SECRET_VALUE",
			`cannot patch "x" with kind Secret: "" is invalid: patch: Invalid value: "{\"data\":{\"y_certificate\":\"123\",\"y_key\":\"SECRET_VALUE\"},\"kind\":\"Secret\"}"`,
			`cannot patch "x" with kind Secret: "" is invalid: patch: Invalid value: "{\"data\":{\"y_certificate\":\"123\",\"y_key\":\"***\"},\"kind\":\"Secret\"}"`},
		{"helm/helm#31428: a key among values that are printed as Go does", key,
			"map[dns:x sshPrivKey:" + key + " region:y]", "map[dns:x sshPrivKey:***\n region:y]"},
		{"argoproj/argo-cd#653: a key within a message within a line", key,
			`content="sshPrivateKey:\"-----BEGIN RSA PRIVATE KEY-----\\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\\n-----END RSA PRIVATE KEY-----\\n\" x"`,
			`content="sshPrivateKey:\"***\\n\" x"`},
		{"fluxcd/notification-controller#270: a token with the line break of echo", "t0ken-of-GitHub\n",
			`net/http: invalid header field value "Bearer t0ken-of-GitHub\n" for key Authorization`,
			`net/http: invalid header field value "Bearer ***\n" for key Authorization`},
		{"fluxcd/kustomize-controller#407: the patch", "Str1ng-Data",
			"error when applying patch:\n{\"stringData\":{\"XXX\":\"Str1ng-Data\"}}\nto:", "error when applying patch:\n{\"stringData\":{\"XXX\":\"***\"}}\nto:"},
		{"fluxcd/flux#2548: a token in a URL that nobody named", "",
			"Synchronizing with https://git:MYTOKEN@gitlab.example.com/x", "Synchronizing with https://git:***@gitlab.example.com/x"},
		{"actions/runner#291: base64 of the secret and more", "k7Rq", "azdScQo= bTprN1JxCg==", "*** ***"},
		{"actions/runner#326: lines of JSON that are no secret", "{\n  \"password\": \"h#nt3r-x\"\n}", "{ } h#nt3r-x {\n}", "{ } *** {\n}"},
		{"actions/runner#2960: a percent sign", "a%41b%%cd-9", "a%41b%%cd-9 a%2541b%25%25cd-9", "*** ***"},
		{"travisghansen/argo-cd-helmfile#32: arguments of a command", "thispasswordisnotmasked",
			"ARGS: 8: --password (10 bytes) 9: thispasswordisnotmasked (16 bytes)", "ARGS: 8: --password (10 bytes) 9: *** (16 bytes)"},
	} {
		t.Run(c.source, func(t *testing.T) { require.Equal(t, c.want, Of(c.secret).Text(c.text)) })
	}
	// argoproj/argo-cd#3479: values of a chart.
	require.ElementsMatch(t, []string{"tinysecret", "supersecret"}, Values(map[string]any{"myOtherApiKey": "tinysecret", "mySuperSecretApiKey": "supersecret", "replicas": "2"}))
}

// Names of hosts, images and conditions have all that keys have but upper case: whoever masks
// them cannot read why a pod is not ready (kubernetes-sigs/aws-load-balancer-controller's gates).
func TestValues_PlacesAreNoKeys(t *testing.T) {
	for _, place := range []string{
		"target-health.alb.ingress.k8s.aws/app-1", "my-database.cluster-c0ffee12.eu-west-1.rds.amazonaws.com",
		"registry.internal.example.com/team/portal-backend-2", "service.beta.kubernetes.io/aws-load-balancer-type-2",
	} {
		require.Empty(t, Values(map[string]any{"x": place}), place)
	}
	for _, secret := range []string{"hooks.example.com/services/0b5c9a77e1f24d1f8c6e", "550e8400-e29b-41d4-a716-446655440000", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"} {
		require.Equal(t, []string{secret}, Values(map[string]any{"x": secret}))
	}
}
