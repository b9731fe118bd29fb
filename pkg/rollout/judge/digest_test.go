package judge

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

func TestJudge_APodThatRunsAnotherImageThanTheVerifiedOne(t *testing.T) {
	for name, c := range map[string]struct {
		image, id string
		fails     bool
	}{
		"the same":                               {fixture.Released, fixture.Released, false},
		"through a mirror":                       {"mirror.test/portal@" + fixture.Digest, "", false},
		"the kubelet names the index's manifest": {fixture.Released, "registry.test/portal@sha256:0000000000000000000000000000000000000000000000000000000000000000", false},
		"by a tag that is the same":              {"registry.test/portal:1", fixture.Released, false},
		"by a tag":                               {"busybox:1.36", "docker.io/library/busybox@sha256:0000000000000000000000000000000000000000000000000000000000000000", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := fixture.Deployed()
			s.Pods[0].Spec.Containers[0].Image = c.image
			s.Pods[0].Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web", Ready: true, State: fixture.Runs, ImageID: c.id}}
			s.Templates = map[record.Workload]cluster.PodSource{fixture.Web: {Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: fixture.Released}}}}}
			j := New(nil)
			j.Digest = fixture.Digest
			_, cause := afterBy(j, s, 60)
			require.Equal(t, c.fails, cause != nil)
			if cause != nil {
				require.Equal(t, causes.ImageDiffers, cause.Code)
			}
		})
	}
}

// An attacker, or somebody in a hurry: kubectl set image pod/… in the container beside
// the verified one.
func TestJudge_APodWhoseOtherContainersWereChanged(t *testing.T) {
	const proxy = "registry.test/team/proxy:1.2"
	for name, c := range map[string]struct {
		image      string
		generation int64 // of the pod; 0 is a Kubernetes that does not count
		fails      bool
	}{
		"the same":                          {proxy, 1, false},
		"changed after it was made":         {"evil.test/proxy:1.2", 2, true},
		"from a mirror":                     {"mirror.test/registry.test/team/proxy:1.2", 1, false},
		"by a webhook, another one":         {"registry.test/approved/envoy:3", 1, false},
		"from a mirror, nobody counts":      {"mirror.test/proxy:1.2", 0, false},
		"another one, nobody counts":        {"busybox:1.36", 0, true},
		"the same, and the pod was changed": {proxy, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := fixture.Deployed()
			pod := s.Pods[0]
			pod.Generation = c.generation
			pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "proxy", Image: c.image})
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: "proxy", Ready: true, State: fixture.Runs})
			s.Templates = map[record.Workload]cluster.PodSource{fixture.Web: {Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: pod.Spec.Containers[0].Image}, {Name: "proxy", Image: proxy}}}}}
			_, cause := afterBy(New(nil), s, 60)
			require.Equal(t, c.fails, cause != nil)
			if cause != nil {
				require.Equal(t, causes.ImageDiffers, cause.Code)
				require.Equal(t, "proxy", cause.Container)
				require.Contains(t, cause.Message, "it runs "+c.image+" instead of "+proxy+", which its workload says")
			}
		})
	}
}
