package dump

import (
	"cmp"
	"context"
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
	"github.com/stagecrew/stagecrew/pkg/database/jobs"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/retry"
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
	// keepTime is how long Kubernetes keeps a Job that was not removed, in seconds.
	keepTime = 3600
	// look lies between two tries to make a Job.
	look = time.Second
	// nobody is a user that the image need not have: the programs need none.
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
	running := d.running(j)
	end, err := running.Await(ctx)
	r := report{}
	if err == nil {
		var log string
		log, err = running.Log(ctx, end)
		r = read(log)
	}
	if err == nil || j.kind != kindRestore {
		d.remove(ctx, j)
	}
	switch {
	case r.failed != "":
		return r, failure(r, j.doing())
	case ctx.Err() != nil && err != nil:
		return r, record.Refused("database/dump-failed", "%w", err)
	case err != nil:
		return r, err
	case !r.done:
		return r, record.Refused("database/dump-failed", "%s: %s %s, and did not say what became of it, as one that was killed does not", j.doing(), running, end.Why)
	}
	return r, nil
}

// running is the Job of the cluster.
func (d Dumps) running(j job) jobs.Job {
	return jobs.Job{Client: d.Client, Namespace: d.Namespace, Name: d.name(j), Container: container, Doing: j.doing()}
}

// create makes the Job. One that restores and is at work already stays, for it is of a run
// that died; any other is replaced.
func (d Dumps) create(ctx context.Context, spec *batchv1.Job, j job) error {
	api := d.Client.BatchV1().Jobs(d.Namespace)
	for {
		_, err := api.Create(ctx, spec, metav1.CreateOptions{})
		if !apierrors.IsAlreadyExists(err) {
			return apierror.Classify("making Job/"+spec.Name, err)
		}
		before, err := api.Get(ctx, spec.Name, metav1.GetOptions{})
		if err == nil && j.kind == kindRestore && before.Status.Active > 0 && before.DeletionTimestamp == nil {
			d.Log.Warn("an earlier run has begun to restore, and is at it still", "job", spec.Name)
			return nil
		}
		d.remove(ctx, j)
		if err := retry.Sleep(ctx, look); err != nil {
			return record.Unavailable("database/dump-failed", "%s: an earlier Job/%s does not go away: %w", j.doing(), spec.Name, context.Cause(ctx))
		}
	}
}

func (d Dumps) remove(ctx context.Context, j job) {
	if err := d.running(j).Remove(ctx); err != nil {
		d.Log.Warn("removing Job/"+d.name(j)+"; Kubernetes does so in an hour", "error", err)
	}
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

// pod runs the script as the user [nobody], with the volume.
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
