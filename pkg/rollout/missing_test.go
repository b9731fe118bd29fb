package rollout

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/detect"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

func missing(kind, namespace, name, key string) detect.MissingObject {
	return detect.MissingObject{Kind: kind, Namespace: namespace, Name: name, Key: key}
}

func TestMissing_WhatIsThereNowIsNotMissing(t *testing.T) {
	named := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name}
	}
	client := fake.NewClientset(
		&corev1.Secret{ObjectMeta: named("portal", "db"), Data: map[string][]byte{"user": nil}},
		&corev1.ConfigMap{ObjectMeta: named("portal", "settings"), Data: map[string]string{"a": ""}, BinaryData: map[string][]byte{"b": nil}},
		&corev1.ServiceAccount{ObjectMeta: named("portal", "web")},
		&corev1.PersistentVolumeClaim{ObjectMeta: named("portal", "data")},
		&storagev1.StorageClass{ObjectMeta: named("", "fast")},
		&schedulingv1.PriorityClass{ObjectMeta: named("", "critical")},
	)
	for _, m := range []detect.MissingObject{missing("secret", "portal", "db", ""), missing("secret", "portal", "db", "user"), missing("configmap", "portal", "settings", "a"), missing("configmap", "portal", "settings", "b"),
		missing("serviceaccount", "portal", "web", ""), missing("persistentvolumeclaim", "portal", "data", ""), missing("storageclass", "", "fast", ""), missing("priorityclass", "", "critical", "")} {
		require.True(t, exists(t.Context(), client, m), m)
	}
	for _, m := range []detect.MissingObject{missing("secret", "portal", "db", "password"), missing("secret", "other", "db", ""), missing("configmap", "portal", "settings", "c"), missing("node", "", "a", "")} {
		require.False(t, exists(t.Context(), client, m), m)
	}
	client.PrependReactor("get", "secrets", func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "db", nil)
	})
	require.False(t, exists(t.Context(), client, missing("secret", "portal", "db", "")), "without the right to read it")
}

// A Secret of an operator came after a while and was there while the kubelet waited for
// its next try.
func TestWatch_ASecretThatCameLateIsWaitedForUntilTheKubeletTriesAgain(t *testing.T) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "portal"}}
	const words = `secret "db" not found`
	around := strings.Repeat("of the kubelet ", 1<<10/len("of the kubelet "))
	for name, c := range map[string]struct {
		message       string
		comes, starts time.Duration // when the Secret comes and the pod is ready; 0 is never
		seconds       int
		code          string
	}{
		"it comes and the kubelet tries again": {words, 20 * time.Second, 50 * time.Second, 50, ""},
		"its name is the middle of 2 kB":       {around + words + " " + around, 20 * time.Second, 50 * time.Second, 50, ""},
		"it comes too late":                    {words, 30 * time.Second, 0, 25, causes.ConfigMissing},
		"it comes and helps nothing":           {words, 10 * time.Second, 0, 145, causes.ConfigMissing},
		"it never comes":                       {words, 0, 0, 25, causes.ConfigMissing},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := fakeCluster(t, fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Waiting("CreateContainerConfigError", c.message))))
				if c.comes > 0 {
					time.AfterFunc(c.comes, func() { require.NoError(t, client.Tracker().Add(secret.DeepCopy())) })
				}
				if c.starts > 0 {
					time.AfterFunc(c.starts, func() {
						require.NoError(t, put(fixture.Pod("web-new", "new", true))(client))
						require.NoError(t, client.CoreV1().Pods("portal").Delete(context.Background(), "web-old", metav1.DeleteOptions{}))
						_, err := client.AppsV1().Deployments("portal").Update(context.Background(), fixture.Deployed().Deployments[0], metav1.UpdateOptions{})
						require.NoError(t, err)
					})
				}
				start := time.Now()
				result, err := Watch(t.Context(), Options{Client: client}, applied)
				require.NoError(t, err)
				require.Equal(t, c.seconds, int(time.Since(start).Seconds()))
				require.Equal(t, c.code == "", result.Cause == nil)
				if result.Cause != nil {
					require.Equal(t, c.code, result.Cause.Code)
				}
			})
		})
	}
}

// What a registry has and a node does not find may be there at the node's next try. It is the
// same image, whatever the kubelet says of it meanwhile (spegel-org/spegel#504,
// enix/kube-image-keeper#626), and an image volume's is another one (kubernetes/website#46946).
func TestWatch_AnImageThatIsThereByNowIsWaitedFor(t *testing.T) {
	const failed, backsOff = "ErrImagePull", "ImagePullBackOff"
	say := func(image string) string {
		return `failed to pull and unpack image "docker.io/` + image + `": not found`
	}
	for name, c := range map[string]struct {
		said, image string // what the kubelet says, and the image that it is about
		later       string // its reason after half a minute
		seconds     int
	}{
		"no name in what is said":        {"manifest unknown", "new", failed, 63},
		"a container's":                  {say("new"), "new", failed, 63},
		"a container's, with a back-off": {say("new"), "new", backsOff, 63},
		"a volume's, which is not there": {say("team/new"), "team/new", failed, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pod := func(reason, message string) *corev1.Pod {
					p := fixture.Pod("web-new", "new", false, fixture.Waiting(reason, message))
					p.Spec.Containers[0].Image = "new"
					p.Spec.Volumes = []corev1.Volume{{Name: "plugins", VolumeSource: corev1.VolumeSource{Image: &corev1.ImageVolumeSource{Reference: "team/new"}}}}
					return p
				}
				client := fakeCluster(t, fixture.Deploying(pod(failed, c.said)))
				time.AfterFunc(30*time.Second, func() {
					assert.NoError(t, client.Tracker().Update(corev1.SchemeGroupVersion.WithResource("pods"), pod(c.later, `Back-off pulling image "`+c.image+`": ErrImagePull: `+c.said), "portal"))
				})
				asked := ""
				o := Options{Client: client, ImageExists: func(_ context.Context, reference string) bool { asked = reference; return reference == "new" }}
				start := time.Now()
				result, err := Watch(t.Context(), o, applied)
				require.NoError(t, err)
				require.Equal(t, causes.ImageNotFound, result.Cause.Code)
				require.Equal(t, c.seconds, int(time.Since(start).Seconds()))
				require.Equal(t, c.image, asked)
			})
		})
	}
}
