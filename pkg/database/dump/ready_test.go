package dump

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/stagecrew/stagecrew/pkg/database"
	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestWhatADumpNeedsIsLookedForBefore(t *testing.T) {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "dumps"}}
	claim.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "age"}, Data: map[string][]byte{"key": []byte("AGE-SECRET-KEY-1")}}
	of := func(identity string) Dumps {
		return New(Options{Options: database.Options{Client: fake.NewClientset(claim, secret), Namespace: "prod"}, Claim: "dumps", Identity: identity})
	}
	require.NoError(t, of("").room(t.Context(), []database.Holding{{Name: "catalog", Bytes: 900 << 20}}))
	err := of("").room(t.Context(), []database.Holding{{Name: "catalog", Bytes: 900 << 20}, {Name: "search", Bytes: 200 << 20}})
	require.Equal(t, "database/no-space", record.CodeOf(err))
	require.ErrorContains(t, err, "dumps has 1024 MiB, and the tables of the databases take 1100 MiB")

	for identity, code := range map[string]string{"": "", "age/key": "", "age/other": "database/no-identity", "lost/key": "database/no-identity"} {
		require.Equal(t, code, record.CodeOf(of(identity).identified(t.Context())), identity)
	}
	for recipient, fits := range map[string]bool{
		"": true, "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p": true, "ssh-ed25519 AAAAC3 me": true,
		"AGE-SECRET-KEY-1QQ": false, "me@example.com": false,
	} {
		o := Options{Claim: "dumps", Keep: 1, Recipient: recipient}
		require.Equal(t, map[bool]string{true: "", false: "database/dump-recipient"}[fits], record.CodeOf(o.Check()), recipient)
	}
	require.Equal(t, "database/dump-keep", record.CodeOf(Options{Claim: "dumps"}.Check()), "no dump would be left to restore")
}
