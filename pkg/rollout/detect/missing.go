package detect

import (
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// MissingObject is a thing that a message says is not there.
type MissingObject struct {
	Kind      string // in lower case, "secret"; "image" is not one of the API
	Namespace string // "" for that of whoever misses it
	Name      string
	Key       string // "" for the object as a whole
}

// Is reports whether both are the same thing, or none.
func (m *MissingObject) Is(other *MissingObject) bool {
	if m == nil || other == nil {
		return m == other
	}
	return *m == *other
}

// imageIn is the image of which the kubelet says that it cannot pull it: a container's own, or
// that of a volume, for which the container waits all the same.
func imageIn(message string, p *corev1.Pod, container string) *MissingObject {
	all := slices.Concat(p.Spec.InitContainers, p.Spec.Containers)
	i := slices.IndexFunc(all, func(c corev1.Container) bool { return c.Name == container })
	if i < 0 {
		return nil
	}
	image, longest := all[i].Image, 0 // a short name may be part of a longer one
	for _, name := range append([]string{image}, imageVolumes(p)...) {
		said := strings.Contains(message, name) || strings.Contains(message, withoutTag(name))
		if said && len(name) > longest {
			image, longest = name, len(name)
		}
	}
	return &MissingObject{Kind: "image", Name: image}
}

// withoutTag is a reference as containerd speaks of it: one with a digest has no tag.
func withoutTag(reference string) string {
	name, digest, pinned := strings.Cut(reference, "@")
	if tag := strings.LastIndex(name, ":"); pinned && tag > strings.LastIndex(name, "/") {
		return name[:tag] + "@" + digest
	}
	return reference
}

func imageVolumes(p *corev1.Pod) (all []string) {
	for _, v := range p.Spec.Volumes {
		if v.Image != nil {
			all = append(all, v.Image.Reference)
		}
	}
	return all
}

// What is missing, in the words of kubelet, scheduler and controllers.
var (
	saysNotFound = regexp.MustCompile(`(?i)\b(secret|configmap|serviceaccount|persistentvolumeclaim|storageclass(?:\.storage\.k8s\.io)?) "([^"]+)" not found`)
	saysNoClass  = regexp.MustCompile(`\bno PriorityClass with name ([a-z0-9.-]*[a-z0-9]) was found`) // of admission
	saysNoKey    = regexp.MustCompile(`(?i)couldn't find key (\S+) in (secret|configmap) ([^\s/]+)/(\S+?)[.,;]?(?:\s|$)`)
)

// missingIn finds in a message what is not there; nil when it names nothing that can be
// asked for.
func missingIn(message string) *MissingObject {
	if m := saysNoKey.FindStringSubmatch(message); m != nil {
		return &MissingObject{Kind: strings.ToLower(m[2]), Namespace: m[3], Name: m[4], Key: m[1]}
	}
	if m := saysNoClass.FindStringSubmatch(message); m != nil {
		return &MissingObject{Kind: "priorityclass", Name: m[1]}
	}
	m := saysNotFound.FindStringSubmatch(message)
	if m == nil {
		return nil
	}
	kind, _, _ := strings.Cut(strings.ToLower(m[1]), ".")
	namespace, name := "", m[2]
	if ns, rest, found := strings.Cut(name, "/"); found { // "portal/db", as some words have it
		namespace, name = ns, rest
	}
	return &MissingObject{Kind: kind, Namespace: namespace, Name: name}
}
