package scenarios

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

// smokeChecks ask for the page with its script, and for what answers says.
const smokeChecks = `
attempts: 3
interval: 300ms
checks:
- name: page
  path: /
  expect: {contentType: text/html, bodyRegex: release}
  assets: true
- name: status
  path: /cgi-bin/status
  expect: {json: {status: ok}, maxLatency: 1s}
`

// seenChecks look at a page in a browser as well.
const seenChecks = `
attempts: 2
interval: 300ms
checks:
- name: files
  path: /
  expect: {contentType: text/html, bodyRegex: root}
  assets: true
- name: seen
  path: /
  expect: {browser: {selector: "#root h1", text: Catalog}}
`

// page are the values of a release whose page is filled in by a script, where it is at
// its root; more is what else the script says.
func page(root, more string) string {
	return fmt.Sprintf(`
script: |
  cat > $www/index.html <<END
  <!doctype html><title>Portal</title><div id="root"></div><script defer src="/app.js"></script>release $VERSION</html>
  END
  cat > $www/app.js <<'END'
  if (location.pathname.startsWith("%s")) document.getElementById("root").innerHTML = "<h1>Catalog</h1>" %s;
  END
  exec httpd -f -p 8080 -h $www`, root, more)
}

// slowChecks take a few seconds.
const slowChecks = `
checks:
- name: slow
  path: /cgi-bin/status
  expect: {json: {status: ok}}
`

// slowAnswers are the values of an application whose status takes a few seconds.
var slowAnswers = answers("sleep 3; " + says("200 OK", "ok"))

// says are the shell's words for an answer with a JSON body.
func says(status, word string) string {
	body := fmt.Sprintf(`{"status":"%s"}`, word)
	return fmt.Sprintf(`printf 'HTTP/1.0 %s\r\nContent-Length: %d\r\n\r\n%s'`, status, len(body), body)
}

// answers are the values of an application whose /cgi-bin/status runs a script.
func answers(script string) string {
	return fmt.Sprintf(`
script: |
  cat > $www/cgi-bin/status <<'END'
  #!/bin/sh
  %s
  END
  chmod +x $www/cgi-bin/status
  exec httpd -f -p 8080 -h $www`, script)
}

// hook are the values of a release whose Job runs before every upgrade.
func hook(script string) string {
	return fmt.Sprintf(`
objects:
- apiVersion: batch/v1
  kind: Job
  metadata:
    name: migrate
    annotations: {helm.sh/hook: pre-upgrade, helm.sh/hook-delete-policy: before-hook-creation}
  spec:
    backoffLimit: 0
    template:
      spec:
        restartPolicy: Never
        terminationGracePeriodSeconds: 1
        containers: [{name: migrate, image: "busybox:1.36", command: [sh, -c, %q]}]`, script)
}

// foreignProgram is the beginning of an ELF file for a processor that no node has.
var foreignProgram = func() string {
	const machineSPARC = 2
	header := make([]byte, 64)
	copy(header, "\x7fELF\x02\x01\x01")
	binary.LittleEndian.PutUint16(header[16:], 2) // an executable file
	binary.LittleEndian.PutUint16(header[18:], machineSPARC)
	return base64.StdEncoding.EncodeToString(header)
}()

func quota(name, hard string) *corev1.ResourceQuota {
	return object[corev1.ResourceQuota](fmt.Sprintf("{metadata: {name: %s}, spec: {hard: {%s}}}", name, hard))
}

// object reads an object of the API from YAML.
func object[T any](text string) *T {
	var o T
	if err := yaml.UnmarshalStrict([]byte(text), &o); err != nil {
		panic(err) // of a constant in a test
	}
	return &o
}

// apply creates a quota in the site's namespace.
func (s *site) apply(q *corev1.ResourceQuota) {
	s.t.Helper()
	_, err := s.kube.CoreV1().ResourceQuotas(s.namespace).Create(s.ctx, q, metav1.CreateOptions{})
	require.NoError(s.t, err)
}

// label puts a label on the site's namespace.
func (s *site) label(key, value string) {
	s.t.Helper()
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, key, value)
	_, err := s.kube.CoreV1().Namespaces().Patch(s.ctx, s.namespace, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	require.NoError(s.t, err)
}

// makePolicy makes a real ValidatingAdmissionPolicy for the site's namespace, until its end. The
// spec says which objects it looks at, and what it wants of them.
func makePolicy(s *site, spec string) {
	s.t.Helper()
	policies, name := s.kube.AdmissionregistrationV1(), s.namespace
	policy := object[admissionv1.ValidatingAdmissionPolicy]("metadata: {name: " + name + "}\nspec:" + spec)
	_, err := policies.ValidatingAdmissionPolicies().Create(s.ctx, policy, metav1.CreateOptions{})
	require.NoError(s.t, err)
	binding := object[admissionv1.ValidatingAdmissionPolicyBinding](fmt.Sprintf(`
metadata: {name: %[1]s}
spec:
  policyName: %[1]s
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %[1]s}}}`, name))
	_, err = policies.ValidatingAdmissionPolicyBindings().Create(s.ctx, binding, metav1.CreateOptions{})
	require.NoError(s.t, err)
	s.atEnd(func(ctx context.Context) error {
		return errors.Join(policies.ValidatingAdmissionPolicyBindings().Delete(ctx, name, metav1.DeleteOptions{}),
			policies.ValidatingAdmissionPolicies().Delete(ctx, name, metav1.DeleteOptions{}))
	})
}

// denyPods makes a policy against new pods of the namespace, and waits until it works.
func denyPods(s *site) {
	makePolicy(s, `
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}
  validations: [{expression: "has(object.metadata.labels.costcentre)", message: pods need a cost centre}]`)
	s.until("the policy to deny pods", func() bool {
		pod := object[corev1.Pod](`{metadata: {name: try}, spec: {containers: [{name: try, image: busybox}]}}`)
		_, err := s.kube.CoreV1().Pods(s.namespace).Create(s.ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err != nil
	})
}
