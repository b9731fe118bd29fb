package manifest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A verified image that only a suspended CronJob names, beside another Deployment that
// is well, was called good.
func TestLater_AnImageThatNothingRunsNowIsNamed(t *testing.T) {
	const image = "registry.test/web@sha256:c0ffee"
	cron := "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: nightly}\nspec: {suspend: true, jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: '" + image + "'}]}}}}}\n"
	other := "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: other}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: other}]}}}\n"
	hook := "---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate, annotations: {helm.sh/hook: post-upgrade, stagecrew.dev/wait: 'false'}}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: '" + image + "'}]}}}\n"
	job := strings.Replace(strings.Replace(cron, "CronJob", "Job", 1), "jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: '"+image+"'}]}}}}", "template: {spec: {containers: [{name: c, image: '"+image+"'}]}}", 1)
	for name, c := range map[string]struct{ objects, hooks, later string }{
		"a CronJob alone":            {cron, "", "CronJob/nightly"},
		"a suspended Job":            {job + other, "", "Job/nightly"},
		"a Job without parallelism":  {strings.Replace(job, "suspend: true", "parallelism: 0", 1), "", "Job/nightly"},
		"a Job":                      {strings.Replace(job, "suspend: true", "parallelism: 1", 1), "", ""},
		"beside another Deployment":  {cron + other, "", "CronJob/nightly"},
		"beside one that runs it":    {cron + strings.Replace(other, "image: other", "image: '"+image+"'", 1), "", ""},
		"beside a hook that runs it": {cron + other, hook, ""},
	} {
		t.Run(name, func(t *testing.T) {
			objects, err := Objects(c.objects)
			require.NoError(t, err)
			require.Equal(t, c.later, Later(objects, c.hooks, image))
			require.Empty(t, Later(objects, c.hooks, ""), "nothing is known of it")
		})
	}
}
