package detect

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func TestMissing_WhatTheWordsOfKubernetesName(t *testing.T) {
	for message, want := range map[string]*MissingObject{
		`secret "db" not found`: {"secret", "", "db", ""},
		`MountVolume.SetUp failed for volume "config" : configmap "settings" not found`:                         {"configmap", "", "settings", ""},
		`couldn't find key password in Secret portal/db`:                                                        {"secret", "portal", "db", "password"},
		`couldn't find key a.yaml in ConfigMap other/settings.`:                                                 {"configmap", "other", "settings", "a.yaml"},
		`pods "web-" is forbidden: error looking up service account portal/web: serviceaccount "web" not found`: {"serviceaccount", "", "web", ""},
		`0/1 nodes are available: persistentvolumeclaim "data" not found. not found`:                            {"persistentvolumeclaim", "", "data", ""},
		`storageclass.storage.k8s.io "fast" not found`:                                                          {"storageclass", "", "fast", ""},
		// GoogleContainerTools/skaffold#8972
		`pods "web-" is forbidden: no PriorityClass with name team.critical was found`: {"priorityclass", "", "team.critical", ""},
		`secret "other/db" not found`:           {"secret", "other", "db", ""},
		`references non-existent secret key: a`: nil,
		`back-off 10s`:                          nil,
	} {
		require.Equal(t, want, missingIn(message), message)
	}
}

// The longest name counts, and containerd leaves a tag out where there is a digest
// (ParseDockerRef of github.com/distribution/reference).
func TestImageIn(t *testing.T) {
	p := &corev1.Pod{Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: "web", Image: "new"}},
		Volumes:    []corev1.Volume{{VolumeSource: corev1.VolumeSource{Image: &corev1.ImageVolumeSource{Reference: "r.test:5000/team/new:1@sha256:aa"}}}},
	}}
	for message, want := range map[string]string{
		`pulling "docker.io/library/new": not found`:                "new",
		`pulling "r.test:5000/team/new@sha256:aa": not found`:       "r.test:5000/team/new:1@sha256:aa",
		`Back-off pulling image "r.test:5000/team/new:1@sha256:aa"`: "r.test:5000/team/new:1@sha256:aa",
		"manifest unknown": "new",
	} {
		require.Equal(t, &MissingObject{Kind: "image", Name: want}, imageIn(message, p, "web"), message)
	}
	require.Nil(t, imageIn("manifest unknown", p, "other"))
}
