package judge

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

// examples have, for each cause of the table, the looks that show it; the last of them
// lasts. Where the words are not of an own test on a cluster, the comment says where
// Kubernetes has them.
func examples() map[string][]cluster.Snapshot {
	one := func(s cluster.Snapshot) []cluster.Snapshot { return []cluster.Snapshot{s} }
	// pkg/kubelet/images/types.go, k8s.io/cri-api/pkg/errors, pkg/kubelet/kuberuntime/kuberuntime_container.go
	waits := func(reason, message string) []cluster.Snapshot {
		return one(fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Waiting(reason, message))))
	}
	exits := func(restarts, code int32, reason string, events ...*corev1.Event) []cluster.Snapshot {
		c := fixture.Crashed(restarts, code, reason)
		c.LastTerminationState.Terminated.StartedAt = metav1.NewTime(fixture.Noon.Add(-time.Minute))
		c.LastTerminationState.Terminated.FinishedAt = metav1.NewTime(fixture.Noon)
		s := fixture.Deploying(fixture.Pod("web-new", "new", false, c))
		s.Events = events
		return one(s)
	}
	tells := func(p *corev1.Pod, events ...*corev1.Event) []cluster.Snapshot {
		s := fixture.Deploying(p)
		s.Events = events
		return one(s)
	}
	unscheduled := func(reason, message string, events ...*corev1.Event) []cluster.Snapshot {
		return tells(fixture.With(fixture.Pod("web-new", "new", false), corev1.PodScheduled, corev1.ConditionFalse, reason, message), events...)
	}
	claim := func(reason string) []cluster.Snapshot {
		p, claims := claimed(corev1.ClaimPending)
		s := fixture.Deploying(p)
		s.Claims, s.Events = claims, []*corev1.Event{normal(fixture.Event("PersistentVolumeClaim", "data", reason, "no storage class"))}
		return one(s)
	}
	// pkg/controller/replicaset/replica_set.go: the condition ReplicaFailure
	refused := func(message string) []cluster.Snapshot {
		s := fixture.Deploying()
		s.ReplicaSets[1].Status.Conditions = []appsv1.ReplicaSetCondition{{Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: message}}
		return one(s)
	}
	// pkg/controller/deployment/util/deployment_util.go
	stuck := func() []cluster.Snapshot {
		s := fixture.Deploying()
		s.Deployments[0].Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded", Message: "x"}}
		return one(s)
	}
	withoutSet := func() []cluster.Snapshot {
		s := fixture.Deploying()
		s.ReplicaSets = s.ReplicaSets[:1]
		s.Deployments[0].Status.ObservedGeneration--
		s.Events = []*corev1.Event{fixture.Event("Deployment", "web", "ReplicaSetCreateError", "x")}
		return one(s)
	}
	says := func(line cluster.Line, restarts int32) []cluster.Snapshot {
		s := fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Crashed(restarts, 255, "Error")))
		s.Lines = map[podstate.Run]cluster.Line{podstate.RunOf(s.Pods[0], s.Pods[0].Status.ContainerStatuses[0]): line}
		return one(s)
	}
	event := fixture.Event
	return map[string][]cluster.Snapshot{
		causes.InvalidName:           waits("InvalidImageName", "invalid reference format"),
		causes.NeverPull:             waits("ErrImageNeverPull", "not present"),
		causes.SignatureRefused:      waits("SignatureValidationFailed", "no signature"), // ErrSignatureValidationFailed of k8s.io/cri-api/pkg/errors
		causes.ImageNotFound:         waits("ErrImagePull", "manifest unknown"),
		causes.PullDenied:            waits("ErrImagePull", "401 Unauthorized"),
		causes.PullFailed:            waits("ErrImagePull", "503 Service Unavailable"),
		causes.InspectFailed:         waits("ImageInspectError", "broken"),                                                      // ErrImageInspect of pkg/kubelet/images/types.go
		causes.ImageVolumeFailed:     waits("CreateContainerError", "failed to mount image volume: ImageVolumeMountFailed: no"), // containerd/containerd#13534
		causes.ConfigMissing:         waits("CreateContainerConfigError", `secret "db" not found`),
		causes.RunsAsRoot:            waits("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"),
		causes.NotCreated:            waits("CreateContainerError", "name is reserved"),
		causes.ImageDiffers:          one(changedPod()),
		causes.WrongArchitecture:     says(cluster.Line{Text: "exec /app: exec format error"}, 0),
		causes.NotStarted:            exits(1, 128, "StartError"),
		causes.OOMKilled:             exits(1, 137, "OOMKilled"),
		causes.CrashLoop:             exits(2, 1, "Error"),
		causes.StartupProbeFailed:    exits(2, 137, "Error", normal(event("Pod", "web-new", "Killing", "Container web failed startup probe, will be restarted"))),
		causes.LivenessProbeFailed:   exits(3, 137, "Error", normal(event("Pod", "web-new", "Killing", "Container web failed liveness probe, will be restarted"))),
		causes.LogPattern:            says(cluster.Line{Text: "startup failed"}, 0),
		causes.LogPatternFirstRun:    says(cluster.Line{Text: "already locked", Transient: true}, 0),
		causes.ProbeFailing:          tells(fixture.Pod("web-new", "new", false, fixture.Running(0)), event("Pod", "web-new", "Unhealthy", "Readiness probe failed")),
		causes.ProbeNotRunnable:      tells(fixture.Pod("web-new", "new", false, fixture.Running(0)), event("Pod", "web-new", "Unhealthy", errored("Readiness"))),
		causes.ReadinessFlapping:     flapping(),
		causes.InitRunning:           one(initializing()),
		causes.ReadinessGate:         one(gated()),
		causes.Unschedulable:         unscheduled("Unschedulable", "0/1 nodes"),
		causes.NoNodeFits:            unscheduled("Unschedulable", "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."),
		causes.Preempted:             preempted(),
		causes.NoScheduler:           one(fixture.Deploying(unseenPod("volcano"))),
		causes.NoScaleUp:             unscheduled("Unschedulable", "0/1 nodes", normal(event("Pod", "web-new", "NotTriggerScaleUp", "max size reached"))),
		causes.ScalingUp:             unscheduled("Unschedulable", "0/1 nodes", normal(event("Pod", "web-new", "TriggerScaleUp", "1->2"))),
		causes.SchedulingGated:       unscheduled("SchedulingGated", "gated"),
		causes.SchedulerError:        unscheduled("SchedulerError", "binding rejected"),                                                             // PodReasonSchedulerError of k8s.io/api/core/v1
		causes.SandboxFailed:         tells(fixture.CreatingPod(), event("Pod", "web-new", "FailedCreatePodSandBox", "cni plugin not initialized")), // kubernetes/kubernetes#62451, projectcalico/cni-plugin#909
		causes.VolumeSourceMissing:   tells(fixture.CreatingPod(), event("Pod", "web-new", "FailedMount", `MountVolume.SetUp failed for volume "c" : configmap "c" not found`)),
		causes.MountFailed:           tells(fixture.CreatingPod(), event("Pod", "web-new", "FailedAttachVolume", "Multi-Attach error")),
		causes.HostPathDiffers:       tells(fixture.CreatingPod(), event("Pod", "web-new", "FailedMount", `MountVolume.SetUp failed for volume "h" : hostPath type check failed: /data is not a directory`)),
		causes.ClaimInUse:            one(claimInUse()),
		causes.ResourceClaimFailed:   tells(pending(), aboutPod("FailedResourceClaimCreation", `PodResourceClaim gpu: resource claim template "gpu": resourceclaimtemplate.resource.k8s.io "gpu" not found`)), // kubernetes/kubernetes#129362
		causes.Warned:                tells(pending(), aboutPod("SomethingNew", "what no version of Kubernetes says yet")),
		causes.PodRejected:           one(fixture.Deploying(rejected("a"), rejected("b"), rejected("c"), rejected("d"), rejected("e"))),
		causes.StorageExceeded:       evicting(),
		causes.ClaimPending:          claim("FailedBinding"),
		causes.ClaimWaiting:          claim("WaitForFirstConsumer"),
		causes.PodReplaced:           tells(fixture.With(fixture.CreatingPod(), corev1.DisruptionTarget, corev1.ConditionTrue, "PreemptionByScheduler", "x")),
		causes.NodeLost:              tells(cutOff()), // MarkPodsNotReady of pkg/controller/util/node
		causes.QuotaExceeded:         refused(`pods "web-x" is forbidden: exceeded quota: q`),
		causes.AdmissionDenied:       refused(`admission webhook "p" denied the request: no`),
		causes.WebhookUnavailable:    refused(`failed calling webhook "p": no endpoints available for service "p"`),          // kubernetes-sigs/kubebuilder#3052
		causes.ServiceAccountMissing: refused(`error looking up service account portal/web: serviceaccount "web" not found`), // k8s.io/kubernetes/plugin/pkg/admission/serviceaccount
		causes.PodNotCreated:         refused("maximum cpu usage per Container is 1"),
		causes.ReplicaSetNotCreated:  withoutSet(), // kubernetes/website#11560
		causes.ProgressDeadline:      stuck(),
		causes.Paused:                one(paused()),
		causes.WorkloadDeleted:       one(cluster.Snapshot{Workloads: []record.Workload{fixture.Web}}),
		causes.StatefulSetStuck:      one(stuckSet()),
		causes.JobFailed:             one(migration(batchv1.JobCondition{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: "BackoffLimitExceeded"})),
		causes.PodEnded:              one(endedPod()),
		causes.ServiceWithoutPods:    one(serviceOf(map[string]string{"app": "web", "component": "backend"})),
		causes.EndpointsOutdated:     one(serviceOf(map[string]string{"app": "web"})),
	}
}

// normal makes an event of a warning.
func normal(e *corev1.Event) *corev1.Event {
	e.Type = corev1.EventTypeNormal
	return e
}

// aboutPod is an event about the new pod, and none of its containers.
func aboutPod(reason, message string) *corev1.Event {
	e := fixture.Event("Pod", "web-new", reason, message)
	e.InvolvedObject.FieldPath = ""
	return e
}

// pending is a new pod that nobody has looked at.
func pending() *corev1.Pod {
	p := fixture.Pod("web-new", "new", false)
	p.Status = corev1.PodStatus{Phase: corev1.PodPending}
	return p
}

// rejected is a new pod that its node does not begin with (pkg/kubelet/kubelet.go, rejectPod).
func rejected(name string) *corev1.Pod {
	p := fixture.Pod("web-"+name, "new", false)
	p.Spec.NodeName = "node-1"
	p.Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "SysctlForbidden", Message: `Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted`}
	return p
}

// preempted are a new pod that was well, and the one in its stead, which finds no room.
func preempted() []cluster.Snapshot {
	next := fixture.With(fixture.Pod("web-new-b", "new", false), corev1.PodScheduled, corev1.ConditionFalse, "Unschedulable", "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.")
	next.GenerateName = "web-new-"
	s := fixture.Deploying(next)
	s.Events = []*corev1.Event{normal(fixture.Event("Pod", "web-new-a", "Preempted", "Preempted by pod c012155f on node a"))}
	return []cluster.Snapshot{s}
}

func changedPod() cluster.Snapshot {
	s := fixture.Deployed()
	s.Pods[0].Spec.Containers[0].Image, s.Pods[0].Generation = "evil.test/web:1", 2
	s.Templates = map[record.Workload]cluster.PodSource{fixture.Web: {Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "registry.test/web:1"}}}}}
	return s
}

// claimInUse is a new pod whose claim for one pod at a time the old one has.
func claimInUse() cluster.Snapshot {
	p, _ := claimed(corev1.ClaimBound)
	p.Status.Conditions[1].Message = "0/1 nodes are available: 1 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod."
	s := fixture.Deploying(p)
	s.Pods[1].Spec.Volumes, s.Pods[1].Spec.NodeName = p.Spec.Volumes, "node-1"
	return s
}

// evicting is a new pod that ran and was ended by its node.
func evicting() []cluster.Snapshot {
	p := fixture.Pod("web-new", "new", true, fixture.Running(0))
	gone := p.DeepCopy()
	gone.Status.Phase, gone.Status.Reason, gone.Status.Message = corev1.PodFailed, "Evicted", `Container web exceeded its local ephemeral storage limit "2Mi". `
	gone.Status.Conditions[0].Status = corev1.ConditionFalse
	return []cluster.Snapshot{fixture.Deploying(p), fixture.Deploying(gone)}
}

func flapping() []cluster.Snapshot {
	var looks []cluster.Snapshot
	for range 3 {
		looks = append(looks, fixture.Deploying(fixture.Pod("web-new", "new", true, fixture.Running(0))), fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Running(0))))
	}
	return looks
}

func initializing() cluster.Snapshot {
	p := fixture.Pod("web-new", "new", false, fixture.Waiting("PodInitializing", ""))
	p.Spec.InitContainers = []corev1.Container{{Name: "init"}}
	p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "init", State: fixture.Runs}}
	return fixture.Deploying(p)
}

func gated() cluster.Snapshot {
	p := fixture.With(fixture.Pod("web-new", "new", false), corev1.ContainersReady, corev1.ConditionTrue, "", "")
	p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "lb"}}
	return fixture.Deploying(p)
}

func cutOff() *corev1.Pod {
	p := fixture.With(fixture.Pod("web-new", "new", false, fixture.Running(0)), corev1.ContainersReady, corev1.ConditionTrue, "", "")
	p.Spec.NodeName = "n"
	return p
}

func paused() cluster.Snapshot {
	s := fixture.Deploying()
	s.Deployments[0].Spec.Paused = true
	return s
}

// kubernetes/kubernetes#67250
func stuckSet() cluster.Snapshot {
	s := databases()
	s.Pods[1] = setPod("db-1", "r1", false, fixture.Waiting("ImagePullBackOff", "Back-off: not found"))
	return s
}

func endedPod() cluster.Snapshot {
	p := fixture.Pod("api", "x", false)
	p.OwnerReferences, p.Spec.RestartPolicy, p.Status.Phase = nil, corev1.RestartPolicyNever, corev1.PodFailed
	return cluster.Snapshot{Workloads: []record.Workload{{Kind: "Pod", Namespace: "portal", Name: "api"}}, Pods: []*corev1.Pod{p}}
}

func serviceOf(selector map[string]string) cluster.Snapshot {
	s := fixture.Deployed()
	s.Services = []cluster.Service{{Namespace: "portal", Name: "web", Selector: labels.SelectorFromSet(selector), Led: []string{"80/TCP"}}}
	return s
}

// asWatched is what the watch gives of a look: events that it asks for, objects without
// what it strips.
func asWatched(s cluster.Snapshot) cluster.Snapshot {
	small := s
	small.Pods, small.Events, small.Claims = nil, nil, nil
	for _, p := range s.Pods {
		small.Add(cluster.Strip(p).(metav1.Object))
	}
	for _, c := range s.Claims {
		small.Add(cluster.Strip(c).(metav1.Object))
	}
	for _, e := range s.Events {
		if e.Type == corev1.EventTypeWarning || slices.Contains(causes.NormalEvents(len(s.Claims) > 0, true), e.Reason) {
			small.Add(cluster.Strip(e).(metav1.Object))
		}
	}
	return small
}

// judged gives the codes that are in sight at the last of the looks, and when and why the
// rollout fails while it lasts.
func judged(looks []cluster.Snapshot) (codes []string, seconds int, cause *record.Cause) {
	j := New(nil)
	now := fixture.Noon
	for i, s := range looks {
		now = fixture.Noon.Add(time.Duration(i-len(looks)+1) * time.Second)
		j.Decide(s, now)
	}
	for _, o := range j.memory.inSight(now) {
		codes = append(codes, o.Cause.Code)
	}
	seconds, cause = afterBy(j, looks[len(looks)-1], 400)
	return codes, seconds, cause
}

// Each cause has an example, is found in it, and is found as well in what the watch keeps
// of it: a detection that reads a field which is stripped, or an event that is not asked
// for, would never see it on a cluster.
func TestExamples_EachCauseIsFoundInWhatTheWatchKeeps(t *testing.T) {
	all := examples()
	for _, row := range causes.Table {
		if row.Verdict {
			require.NotContains(t, all, row.Code)
			continue
		}
		t.Run(row.Code, func(t *testing.T) {
			require.Contains(t, all, row.Code, "a cause without an example")
			codes, seconds, cause := judged(all[row.Code])
			require.Contains(t, codes, row.Code)
			require.Equal(t, row.Rule.Wait, seconds < 0, "%d s, %v", seconds, cause)
			if cause != nil {
				require.Equal(t, row.Code, cause.Code)
			}
			var kept []cluster.Snapshot
			for _, s := range all[row.Code] {
				kept = append(kept, asWatched(s))
			}
			keptCodes, keptSeconds, keptCause := judged(kept)
			require.Equal(t, codes, keptCodes)
			require.Equal(t, seconds, keptSeconds)
			require.Equal(t, cause, keptCause)
		})
	}
}

// errored is what a kubelet says of a probe whose program the image does not have, with
// containerd's words (kgateway-dev/kgateway#8749, subfuzion/voting-app#11).
func errored(kind string) string {
	return `(combined from similar events): ` + kind + ` probe errored and resulted in unknown state: rpc error: code = Unknown desc = failed to exec in container: failed to start exec "c0ffee": OCI runtime exec failed: exec failed: unable to start container process: exec: "curl": executable file not found in $PATH`
}

// unseenPod is a pod without a node, a condition or an event (kubernetes/website#14056).
func unseenPod(scheduler string) *corev1.Pod {
	p := fixture.Pod("web-new", "new", false)
	p.Status, p.Spec.SchedulerName = corev1.PodStatus{Phase: corev1.PodPending}, scheduler
	p.CreationTimestamp = metav1.NewTime(fixture.Noon.Add(-time.Minute))
	return p
}
