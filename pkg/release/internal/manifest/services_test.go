package manifest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLed_AreThePortsThatLedToPodsBefore(t *testing.T) {
	const pods = `{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: app}, spec: {template: {metadata: {labels: {app: web, tier: a}}, spec: {containers: [{name: a, ports: [{name: http, containerPort: 80}]}]}}}}`
	service := func(spec string) string {
		return "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: " + spec + "}"
	}
	for name, c := range map[string]struct {
		before string
		want   []string
	}{
		"numbers and names":       {service("{selector: {app: web}, ports: [{port: 80, targetPort: http}, {port: 81}, {port: 53, protocol: UDP, targetPort: 9}, {port: 82, targetPort: metrics}]}"), []string{"80/TCP", "81/TCP", "53/UDP"}},
		"another selector":        {service("{selector: {app: other}, ports: [{port: 80}]}"), nil},
		"a label that nobody has": {service("{selector: {app: web, role: master}, ports: [{port: 80}]}"), nil},
		"no selector":             {service("{ports: [{port: 80}]}"), nil},
		"a name outside":          {service("{type: ExternalName, externalName: a.test, selector: {app: web}, ports: [{port: 80}]}"), nil},
		"it was not there":        {"{apiVersion: v1, kind: Service, metadata: {name: w}, spec: {selector: {app: web}, ports: [{port: 80}]}}", nil},
	} {
		t.Run(name, func(t *testing.T) {
			before, err := Objects(pods + "\n---\n" + c.before)
			require.NoError(t, err)
			now, err := Objects(service("{selector: {app: typo}, ports: [{port: 80}]}"))
			require.NoError(t, err)
			require.Equal(t, c.want, Led(now[0], before))
		})
	}
}
