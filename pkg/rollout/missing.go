package rollout

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// missingObject is a thing that somebody says is not there.
type missingObject struct{ kind, namespace, name, key string }

// lookTimeout bounds asking for what is missing.
const lookTimeout = 3 * time.Second

// What is missing, in the words of kubelet, scheduler and controllers.
var (
	saysNotFound = regexp.MustCompile(`(?i)\b(secret|configmap|serviceaccount|persistentvolumeclaim|storageclass(?:\.storage\.k8s\.io)?) "([^"]+)" not found`)
	saysNoKey    = regexp.MustCompile(`(?i)couldn't find key (\S+) in (secret|configmap) ([^\s/]+)/(\S+?)[.,;]?(?:\s|$)`)
)

// missingIn finds in a message what is not there; nil when it names nothing that can be
// asked for.
func missingIn(namespace, message string) *missingObject {
	if m := saysNoKey.FindStringSubmatch(message); m != nil {
		return &missingObject{kind: strings.ToLower(m[2]), namespace: m[3], name: m[4], key: m[1]}
	}
	m := saysNotFound.FindStringSubmatch(message)
	if m == nil {
		return nil
	}
	kind, _, _ := strings.Cut(strings.ToLower(m[1]), ".")
	name := m[2]
	if ns, rest, found := strings.Cut(name, "/"); found { // "portal/db", as some words have it
		namespace, name = ns, rest
	}
	return &missingObject{kind: kind, namespace: namespace, name: name}
}

// exists reports whether a thing that was missing is there now. Without the right to
// read it, it is missing still.
func exists(ctx context.Context, client kubernetes.Interface, m missingObject) bool {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	options := metav1.GetOptions{}
	var err error
	switch m.kind {
	case "secret":
		secret, failed := client.CoreV1().Secrets(m.namespace).Get(ctx, m.name, options)
		if err = failed; err == nil && m.key != "" {
			_, found := secret.Data[m.key]
			return found
		}
	case "configmap":
		config, failed := client.CoreV1().ConfigMaps(m.namespace).Get(ctx, m.name, options)
		if err = failed; err == nil && m.key != "" {
			_, text := config.Data[m.key]
			_, binary := config.BinaryData[m.key]
			return text || binary
		}
	case "serviceaccount":
		_, err = client.CoreV1().ServiceAccounts(m.namespace).Get(ctx, m.name, options)
	case "persistentvolumeclaim":
		_, err = client.CoreV1().PersistentVolumeClaims(m.namespace).Get(ctx, m.name, options)
	case "storageclass":
		_, err = client.StorageV1().StorageClasses().Get(ctx, m.name, options)
	default:
		return false
	}
	return err == nil
}

// found asks whether what a trouble complains of has come meanwhile.
func (v *wait) found(t trouble) bool {
	if t.cause.Code != codeNotFound {
		m := missingIn(t.workload.Namespace, t.cause.Message)
		return m != nil && exists(v.ctx, v.watch.client, *m)
	}
	image := v.watch.imageOf(t)
	if v.ImageExists == nil || image == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(v.ctx, lookTimeout)
	defer cancel()
	return v.ImageExists(ctx, image)
}

// imageOf is the reference that the container of a trouble wants, "" for none.
func (w *watch) imageOf(t trouble) string {
	for _, target := range w.targets {
		if target.Workload != t.workload {
			continue
		}
		for _, c := range slices.Concat(target.spec.InitContainers, target.spec.Containers) {
			if c.Name == t.cause.Container {
				return c.Image
			}
		}
	}
	return ""
}
