package detect

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMissing_WhatTheWordsOfKubernetesName(t *testing.T) {
	for message, want := range map[string]*MissingObject{
		`secret "db" not found`: {"secret", "portal", "db", ""},
		`MountVolume.SetUp failed for volume "config" : configmap "settings" not found`:                         {"configmap", "portal", "settings", ""},
		`couldn't find key password in Secret portal/db`:                                                        {"secret", "portal", "db", "password"},
		`couldn't find key a.yaml in ConfigMap other/settings.`:                                                 {"configmap", "other", "settings", "a.yaml"},
		`pods "web-" is forbidden: error looking up service account portal/web: serviceaccount "web" not found`: {"serviceaccount", "portal", "web", ""},
		`0/1 nodes are available: persistentvolumeclaim "data" not found. not found`:                            {"persistentvolumeclaim", "portal", "data", ""},
		`storageclass.storage.k8s.io "fast" not found`:                                                          {"storageclass", "portal", "fast", ""},
		// GoogleContainerTools/skaffold#8972
		`pods "web-" is forbidden: no PriorityClass with name team.critical was found`: {"priorityclass", "", "team.critical", ""},
		`references non-existent secret key: a`:                                        nil,
		`back-off 10s`:                                                                 nil,
	} {
		require.Equal(t, want, MissingIn("portal", message), message)
	}
}
