package dump

import (
	"cmp"
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/database"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// kind is what a Job does; its name begins with it.
type kind string

const (
	kindDump    kind = "dump"
	kindFind    kind = "find"
	kindRestore kind = "restore"
)

// job is one run of a script.
type job struct {
	kind      kind
	script    string
	image, id string // of the release whose databases these are; of the dump
	env       map[string]string
}

const (
	// LabelRelease on the pods of the Jobs names the release: policies of a network let them
	// to the database by it.
	LabelRelease = "stagecrew.dev/dumps-of"
	container    = "postgresql"
	// keepTime is how long Kubernetes keeps a Job that nobody has removed, in seconds.
	keepTime = 3600
	// look lies between two looks at a Job.
	look = time.Second
	// cleanTime bounds the removal of a Job.
	cleanTime = 5 * time.Second
	// maxLog bounds what is read of a log, in bytes.
	maxLog = 1 << 20
	// nobody is a user that no image has: the programs need none.
	nobody = 65532
)

// name is that of the Job; a release has at most 53 letters.
func (d Dumps) name(j job) string { return string(j.kind) + "-" + d.Release }

// run runs a Job to its end and reads what its script says. A Job that dumps is ended with
// ctx; one that restores is not: whoever comes next waits for it.
func (d Dumps) run(ctx context.Context, db *database.Database, j job) (report, error) {
	spec, err := d.spec(ctx, db, j)
	if err != nil {
		return report{}, err
	}
	if err := d.create(ctx, spec, j); err != nil {
		return report{}, err
	}
	log, err := d.await(ctx, j)
	if err == nil || j.kind != kindRestore {
		d.remove(ctx, j)
	}
	r := read(log)
	switch {
	case r.failed != "":
		return r, failure(r, j.doing())
	case err != nil:
		return r, err
	case !r.done:
		return r, record.Refused("database/dump-failed", "%s: the pod of Job/%s ended without saying what became of it, as one that was killed does", j.doing(), d.name(j))
	}
	return r, nil
}

// create makes the Job. One that restores and is at work already stays, for it is of a run
// that died; any other is replaced.
func (d Dumps) create(ctx context.Context, spec *batchv1.Job, j job) error {
	jobs := d.Client.BatchV1().Jobs(d.Namespace)
	for {
		_, err := jobs.Create(ctx, spec, metav1.CreateOptions{})
		if !apierrors.IsAlreadyExists(err) {
			return apierror.Classify("making Job/"+spec.Name, err)
		}
		before, err := jobs.Get(ctx, spec.Name, metav1.GetOptions{})
		if err == nil && j.kind == kindRestore && before.Status.Active > 0 && before.DeletionTimestamp == nil {
			d.Log.Warn("an earlier run has begun to restore, and is at it still", "job", spec.Name)
			return nil
		}
		d.remove(ctx, j)
		select {
		case <-ctx.Done():
			return record.Unavailable("database/dump-failed", "%s: an earlier Job/%s does not go away: %w", j.doing(), spec.Name, context.Cause(ctx))
		case <-time.After(look):
		}
	}
}

// remove takes the Job and its pods away, also when ctx is over.
func (d Dumps) remove(ctx context.Context, j job) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	now, background := int64(1), metav1.DeletePropagationBackground
	err := d.Client.BatchV1().Jobs(d.Namespace).Delete(ctx, d.name(j), metav1.DeleteOptions{PropagationPolicy: &background, GracePeriodSeconds: &now})
	if err != nil && !apierrors.IsNotFound(err) {
		d.Log.Warn("removing Job/"+d.name(j)+"; Kubernetes does so in an hour", "error", err)
	}
}

// await waits for the end of the Job's pod and gives its log.
func (d Dumps) await(ctx context.Context, j job) (string, error) {
	why := "no pod was made"
	for {
		pods, err := d.Client.CoreV1().Pods(d.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "job-name=" + d.name(j)})
		if err != nil && ctx.Err() == nil {
			return "", apierror.Classify("looking for the pod of Job/"+d.name(j), err)
		}
		for _, pod := range itemsOf(pods) {
			if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
				return d.log(ctx, pod)
			}
			why = waiting(pod)
			if hopeless(pod) {
				return "", record.Refused("database/no-pod", "%s: Pod/%s does not start: %s", j.doing(), pod.Name, why)
			}
		}
		if len(itemsOf(pods)) == 0 {
			if why, err = d.rejected(ctx, j, why); err != nil {
				return "", err
			}
		}
		select {
		case <-ctx.Done():
			return "", record.Refused("database/dump-failed", "%s: Job/%s did not come to its end in time: %s: %w", j.doing(), d.name(j), why, context.Cause(ctx))
		case <-time.After(look):
		}
	}
}

func itemsOf(pods *corev1.PodList) []corev1.Pod {
	if pods == nil {
		return nil
	}
	return pods.Items
}

// rejected asks the events why there is no pod; an error where there will be none.
func (d Dumps) rejected(ctx context.Context, j job, before string) (string, error) {
	events, err := d.Client.CoreV1().Events(d.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.kind=Job,involvedObject.name=" + d.name(j)})
	if err != nil {
		return before, nil //nolint:nilerr // it is only about the words
	}
	for _, e := range events.Items {
		if e.Reason == "FailedCreate" && time.Since(e.LastTimestamp.Time) < time.Minute {
			return e.Message, record.Refused("database/no-pod", "%s: the cluster takes no pod of Job/%s: %s", j.doing(), d.name(j), e.Message)
		}
	}
	return before, nil
}

// waiting says what a pod waits for.
func waiting(pod corev1.Pod) string {
	for _, s := range pod.Status.ContainerStatuses {
		if w := s.State.Waiting; w != nil {
			return strings.TrimSuffix(w.Reason+": "+w.Message, ": ")
		}
		if s.State.Running != nil {
			return "it runs since " + s.State.Running.StartedAt.UTC().Format(time.RFC3339)
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Reason + ": " + c.Message
		}
	}
	return "it is " + cmp.Or(string(pod.Status.Phase), "new")
}

// unscheduled is how long no node may take a pod.
const unscheduled = 90 * time.Second

// hopeless reports whether waiting for a pod makes no sense.
func hopeless(pod corev1.Pod) bool {
	for _, s := range pod.Status.ContainerStatuses {
		if w := s.State.Waiting; w != nil {
			return slices.Contains([]string{"ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"}, w.Reason)
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return time.Since(c.LastTransitionTime.Time) > unscheduled
		}
	}
	return false
}

// log is what the script wrote, which is not much.
func (d Dumps) log(ctx context.Context, pod corev1.Pod) (string, error) {
	limit := int64(maxLog)
	stream, err := d.Client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: container, LimitBytes: &limit}).Stream(ctx)
	if err != nil {
		return "", apierror.Classify("reading the log of Pod/"+pod.Name, err)
	}
	defer stream.Close()
	text, err := io.ReadAll(io.LimitReader(stream, maxLog))
	return string(text), apierror.Classify("reading the log of Pod/"+pod.Name, err)
}

// spec is the Job. Its pod may do nothing but what the script does.
func (d Dumps) spec(ctx context.Context, db *database.Database, j job) (*batchv1.Job, error) {
	env, err := db.Libpq(ctx)
	if err != nil {
		return nil, err
	}
	server, its, found, err := db.Server(ctx)
	if err != nil {
		return nil, err
	}
	image := cmp.Or(d.Image, its.Image)
	if image == "" {
		return nil, record.Refused("database/no-image", "the database runs outside of the cluster, so that its own image cannot be taken: --dump-image names one with PostgreSQL's own tools, of the server's version or a newer one")
	}
	pod := d.pod(image, append(env, d.variables(j)...), j)
	if found {
		pod.ImagePullSecrets, pod.Tolerations = server.Spec.ImagePullSecrets, server.Spec.Tolerations
	}
	labels := map[string]string{"app.kubernetes.io/managed-by": "stagecrew", LabelRelease: d.Release, "sidecar.istio.io/inject": "false"}
	once, ttl := int32(0), int32(keepTime)
	spec := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: d.name(j), Namespace: d.Namespace, Labels: labels}}
	spec.Spec = batchv1.JobSpec{BackoffLimit: &once, TTLSecondsAfterFinished: &ttl, Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod}}
	if end, bounded := ctx.Deadline(); bounded && j.kind != kindRestore {
		seconds := int64(max(time.Until(end), time.Second) / time.Second)
		spec.Spec.ActiveDeadlineSeconds = &seconds
	}
	return spec, nil
}

// variables are those of the scripts, see common.sh.
func (d Dumps) variables(j job) []corev1.EnvVar {
	values := map[string]string{"DUMPS": "/dumps", "RELEASE": d.Release, "FROM": j.image, "ID": j.id, "RECIPIENT": "", "IDENTITY": "", "HOME": "/tmp"}
	if _, key, given := strings.Cut(d.Identity, "/"); given && j.kind != kindDump {
		values["IDENTITY"] = "/identity/" + key
	}
	maps.Copy(values, j.env)
	var env []corev1.EnvVar
	for _, name := range slices.Sorted(maps.Keys(values)) {
		// Kubernetes would read $(NAME) in a value.
		env = append(env, corev1.EnvVar{Name: name, Value: strings.ReplaceAll(values[name], "$", "$$")})
	}
	return env
}

// pod runs the script as nobody, with the volume.
func (d Dumps) pod(image string, env []corev1.EnvVar, j job) corev1.PodSpec {
	yes, no, user := true, false, int64(nobody)
	c := corev1.Container{
		Name: container, Image: image, Command: []string{"sh", "-c", common + j.script}, Env: env,
		SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("512Mi")},
		},
		VolumeMounts: []corev1.VolumeMount{{Name: "dumps", MountPath: "/dumps"}, {Name: "tmp", MountPath: "/tmp"}},
	}
	volumes := []corev1.Volume{
		{Name: "dumps", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: d.Claim}}},
		{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
	}
	if secret, _, given := strings.Cut(d.Identity, "/"); given && j.kind != kindDump {
		volumes = append(volumes, corev1.Volume{Name: "identity", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}})
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "identity", MountPath: "/identity", ReadOnly: true})
	}
	return corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, AutomountServiceAccountToken: &no, EnableServiceLinks: &no, Containers: []corev1.Container{c}, Volumes: volumes,
		SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &user, RunAsGroup: &user, FSGroup: &user, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
	}
}
