package detect

import (
	"testing"

	"github.com/stretchr/testify/require"
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
