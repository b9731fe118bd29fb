package preflight

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// use is one image as pods of one kind use it.
type use struct {
	image, account string
	pullSecrets    string // names, joined
	arch           string // what the pods ask of their nodes, "" for any
}

// pullable asks the registry for each image of the manifest, as a node would.
func (c *check) pullable(ctx context.Context) {
	if c.Images == nil {
		return
	}
	platforms, err := c.nodePlatforms(ctx)
	if err != nil {
		c.unread("the nodes' architectures", err)
	}
	var all sync.WaitGroup
	for _, u := range c.uses() {
		all.Go(func() {
			if err := record.Guard(func() error { c.image(ctx, u, platforms); return nil }); err != nil {
				c.broken(err)
			}
		})
	}
	all.Wait()
}

// wellFormed is what a kubelet takes as the name of an image; what has an upper-case
// letter in its first part and a path is on a host of that name.
var wellFormed = regexp.MustCompile(`^((localhost|[a-zA-Z0-9-]*[A-Z][a-zA-Z0-9-]*|[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)+|\[[a-fA-F0-9:]+\]|[a-zA-Z0-9.-]+:[0-9]+)(:[0-9]+)?/)?` +
	`[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)*(:\w[\w.-]{0,127})?(@sha256:[a-f0-9]{64}|@sha512:[a-f0-9]{128})?$`)

// named looks for images that no node can have: their pods wait for ever.
func (c *check) named() {
	for _, t := range c.templates() {
		for _, container := range slices.Concat(t.pod.Spec.InitContainers, t.pod.Spec.Containers) {
			if container.Image != "" && !wellFormed.MatchString(container.Image) {
				c.add(record.Concern{Code: "preflight/image-invalid", Object: t.object.name(), Blocks: true,
					Message: fmt.Sprintf("container %s: %q is not the name of an image (InvalidImageName)", container.Name, container.Image),
					Advice:  "give it as HOST/PATH:TAG or HOST/PATH@sha256:…, the path in lower case and the digest whole"})
			}
		}
	}
}

func (c *check) uses() []use {
	seen := map[use]bool{}
	var all []use
	for _, t := range c.templates() {
		var names []string
		for _, s := range t.pod.Spec.ImagePullSecrets {
			names = append(names, s.Name)
		}
		for _, container := range slices.Concat(t.pod.Spec.InitContainers, t.pod.Spec.Containers) {
			u := use{container.Image, t.pod.Spec.ServiceAccountName, strings.Join(names, ","), t.pod.Spec.NodeSelector[corev1.LabelArchStable]}
			if !seen[u] && container.ImagePullPolicy != corev1.PullNever && wellFormed.MatchString(container.Image) {
				seen[u] = true
				all = append(all, u)
			}
		}
	}
	return all
}

// image blocks only for a definite answer about a digest: a tag may be made yet,
// and a registry that does not answer here may answer the nodes.
func (c *check) image(ctx context.Context, u use, nodes []string) {
	byDigest := strings.Contains(u.image, "@sha256:")
	has, err := c.Images.Platforms(ctx, u.image, c.credentials(ctx, u))
	kind := record.KindOf(err)
	switch {
	case err != nil && byDigest && (kind == record.KindRefused || kind == record.KindInput):
		c.add(record.Concern{Code: "preflight/image-not-pullable", Object: u.image, Message: err.Error(), Blocks: c.ImagesBlock,
			Advice: "push it, or give the pods a pull secret that may read it"})
		return
	case err != nil:
		c.add(record.Concern{Code: "preflight/image-not-pullable", Object: u.image, Message: "it could not be told from here whether the nodes can pull it: " + err.Error()})
		return
	}
	wanted := nodes
	if u.arch != "" {
		wanted = []string{"linux/" + u.arch}
	}
	var missing []string
	for _, platform := range wanted {
		// An image may say more than the node: linux/arm64/v8.
		if !slices.ContainsFunc(has, func(p string) bool { return p == platform || strings.HasPrefix(p, platform+"/") }) {
			missing = append(missing, platform)
		}
	}
	if len(has) == 0 || len(missing) == 0 {
		return
	}
	c.add(record.Concern{Code: "preflight/image-platform", Object: u.image,
		Message: fmt.Sprintf("it is made for %s; the cluster has nodes of %s", strings.Join(has, ", "), strings.Join(missing, ", ")),
		Advice:  "build it for them, or give the pods a nodeSelector kubernetes.io/arch",
		Blocks:  c.ImagesBlock && byDigest && len(missing) == len(wanted)})
}

// credentials are the pull secrets of the pod and of its service account, as far
// as they may be read.
func (c *check) credentials(ctx context.Context, u use) [][]byte {
	names := strings.FieldsFunc(u.pullSecrets, func(r rune) bool { return r == ',' })
	account := u.account
	if account == "" {
		account = "default"
	}
	if a, err := c.Client.CoreV1().ServiceAccounts(c.Namespace).Get(ctx, account, metav1.GetOptions{}); err == nil {
		for _, s := range a.ImagePullSecrets {
			names = append(names, s.Name)
		}
	}
	var all [][]byte
	for _, name := range names {
		if s, err := c.Client.CoreV1().Secrets(c.Namespace).Get(ctx, name, metav1.GetOptions{}); err == nil {
			if config := s.Data[corev1.DockerConfigJsonKey]; len(config) > 0 {
				all = append(all, config)
			}
		}
	}
	return all
}

// nodePlatforms are those of the nodes that take pods.
func (c *check) nodePlatforms(ctx context.Context) ([]string, error) {
	nodes, err := c.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var all []string
	for _, n := range nodes.Items {
		if !n.Spec.Unschedulable {
			all = append(all, n.Status.NodeInfo.OperatingSystem+"/"+n.Status.NodeInfo.Architecture)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// nodes looks for a pod that is larger than every node.
func (c *check) nodes(ctx context.Context) {
	nodes, err := c.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if apierrors.IsForbidden(err) || err != nil || len(nodes.Items) == 0 {
		return // images says so
	}
	for _, t := range c.templates() {
		c.apart(t, nodes.Items)
		c.daemons(ctx, t, nodes.Items)
		c.ownNode(t, nodes.Items)
		for _, name := range []corev1.ResourceName{corev1.ResourceRequestsCPU, corev1.ResourceRequestsMemory} {
			one, _, _ := usage(t.pod.Spec, name, corev1.ResourceRequirements{})
			fits := slices.ContainsFunc(nodes.Items, func(n corev1.Node) bool {
				room := n.Status.Allocatable[corev1.ResourceName(strings.TrimPrefix(string(name), "requests."))]
				return one.Cmp(room) <= 0
			})
			if !fits {
				c.add(record.Concern{Code: "preflight/unschedulable", Object: t.object.name(),
					Message: fmt.Sprintf("a pod asks for %s %s, more than any of the %d nodes has; it waits unless a larger one is made", name, one.String(), len(nodes.Items))})
			}
		}
	}
}
