package release

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"hash"
	"maps"
	"strconv"
	"strings"
	"time"

	helmrelease "helm.sh/helm/v3/pkg/release"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// The labels on Helm's release records. Helm itself copies all labels into the
// next record (https://github.com/helm/helm/issues/32404): each one counts only
// on the record that labelOf names.
const (
	labelPrefix   = "stagecrew.dev/"
	labelVerdict  = labelPrefix + "verdict"     // pending, good or bad
	labelWhen     = labelPrefix + "verdict-at"  // whenFormat
	labelOrigin   = labelPrefix + "copy-of"     // the revision that a rollback copied
	labelOf       = labelPrefix + "verdict-of"  // the revision that the labels speak of
	labelManifest = labelPrefix + "manifest"    // the digest of what the revision applies
	labelMAC      = labelPrefix + "verdict-mac" // of all this, when there is a key
	// whenFormat is RFC 3339's basic form: a label may hold no colons.
	whenFormat = "20060102T150405Z"
)

// statement is what the labels of a record say of its revision.
type statement struct {
	mark   record.Mark
	at     time.Time
	origin int
	// changed means that the record is not the one that the verdict was given about.
	changed bool
}

// notary writes and reads statements. With a key they carry a MAC, and what
// carries none is no statement.
type notary struct{ key []byte }

// state replaces the labels about a revision; those of others stay.
func (n notary) state(stored *helmrelease.Release, s statement) {
	labels := maps.Clone(stored.Labels)
	maps.DeleteFunc(labels, func(name, _ string) bool { return strings.HasPrefix(name, labelPrefix) })
	if labels == nil {
		labels = map[string]string{}
	}
	labels[labelVerdict], labels[labelOf] = string(s.mark), strconv.Itoa(stored.Version)
	labels[labelManifest] = digestOf(stored)
	if !s.at.IsZero() {
		labels[labelWhen] = s.at.UTC().Format(whenFormat)
	}
	if s.origin > 0 {
		labels[labelOrigin] = strconv.Itoa(s.origin)
	}
	if len(n.key) > 0 {
		labels[labelMAC] = n.mac(stored, labels)
	}
	stored.Labels = labels
}

// read gives what the labels of a record say of this very record.
func (n notary) read(stored *helmrelease.Release) statement {
	labels := stored.Labels
	// Labels of others may hold anything; what does not parse counts as absent.
	said := statement{mark: record.Mark(labels[labelVerdict])}
	said.at, _ = time.Parse(whenFormat, labels[labelWhen])
	said.origin, _ = strconv.Atoi(labels[labelOrigin])
	switch of := labels[labelOf]; {
	case of == "":
		return n.old(stored, said)
	case of != strconv.Itoa(stored.Version):
		return statement{}
	case labels[labelManifest] != digestOf(stored):
		return statement{changed: true}
	case len(n.key) == 0, said.mark == record.MarkPending:
		return said
	case labels[labelMAC] == "":
		return statement{}
	case !n.vouches(stored):
		return statement{changed: true}
	}
	return said
}

// old reads labels of before they named their revision. A copy that Helm made is
// younger than the verdict in it. "pending" is no proof of anything and stands.
func (n notary) old(stored *helmrelease.Release, said statement) statement {
	isRollback := strings.HasPrefix(stored.Info.Description, "Rollback to ")
	if !isRollback {
		said.origin = 0
	}
	isOwn := !said.at.Before(stored.Info.LastDeployed.Time.Truncate(time.Second))
	if said.mark == record.MarkPending || isOwn && len(n.key) == 0 {
		return said
	}
	return statement{origin: said.origin}
}

// vouches reports whether the MAC is that of this record with these labels.
func (n notary) vouches(stored *helmrelease.Release) bool {
	return hmac.Equal([]byte(stored.Labels[labelMAC]), []byte(n.mac(stored, stored.Labels)))
}

// intact refuses a record that is not what its own labels were written about.
func (n notary) intact(stored *helmrelease.Release) error {
	labels := stored.Labels
	if labels[labelOf] != strconv.Itoa(stored.Version) {
		return nil // they speak of another one, or of none
	}
	isForged := len(n.key) > 0 && labels[labelMAC] != "" && !n.vouches(stored)
	if labels[labelManifest] != digestOf(stored) || isForged {
		return record.Refused("release/target-changed",
			"Helm's record of revision %d was changed since stagecrew wrote on it: it is not what was judged; choose another revision, or make a new one by a deploy", stored.Version)
	}
	return nil
}

// made reports whether this pipeline wrote the record: with a key nobody else can
// have written what it carries from its first moment.
func (n notary) made(stored *helmrelease.Release) bool {
	labels := stored.Labels
	return labels[labelOf] == strconv.Itoa(stored.Version) && labels[labelMAC] != "" && n.vouches(stored)
}

// check refuses to go back to a record whose content is not what was judged.
func (n notary) check(stored *helmrelease.Release) error {
	if err := n.intact(stored); err != nil || len(n.key) == 0 {
		return err
	}
	if stored.Labels[labelOf] != strconv.Itoa(stored.Version) || stored.Labels[labelMAC] == "" {
		return record.Refused("release/target-changed",
			"revision %d carries no verdict that was made with STAGECREW_VERDICT_KEY: anybody may have written it; choose another revision, or make a new one by a deploy", stored.Version)
	}
	return nil
}

// mac binds a verdict to the release, the revision and all that a rollback to it
// would apply or show.
func (n notary) mac(stored *helmrelease.Release, labels map[string]string) string {
	h := hmac.New(sha256.New, n.key)
	values, _ := json.Marshal(plain(stored.Config)) // values come from JSON or YAML
	put(h, "stagecrew verdict v1", stored.Namespace, stored.Name, strconv.Itoa(stored.Version), digestOf(stored), string(values), chartName(stored))
	put(h, labels[labelVerdict], labels[labelWhen], labels[labelOrigin])
	return sum(h)
}

// plain are values as they are after they were stored.
func plain(values map[string]any) any {
	var stored any
	text, err := json.Marshal(values)
	if err != nil || json.Unmarshal(text, &stored) != nil {
		return nil
	}
	return stored
}

// digestOf is the digest of all that a revision applies: its manifest and hooks.
func digestOf(stored *helmrelease.Release) string {
	h := sha256.New()
	put(h, stored.Manifest)
	for _, hook := range stored.Hooks {
		put(h, hook.Kind, hook.Name, hook.Path, hook.Manifest, strconv.Itoa(hook.Weight))
		for _, event := range hook.Events {
			put(h, "event", event.String())
		}
		// Helm writes its default down once the hook has run.
		if len(hook.DeletePolicies) == 0 {
			put(h, "delete", helmrelease.HookBeforeHookCreation.String())
		}
		for _, policy := range hook.DeletePolicies {
			put(h, "delete", policy.String())
		}
	}
	return sum(h)
}

// put writes texts so that no two lists of texts look the same.
func put(h hash.Hash, texts ...string) {
	for _, text := range texts {
		_ = binary.Write(h, binary.BigEndian, uint64(len(text)))
		_, _ = h.Write([]byte(text))
	}
}

// sum is the whole digest in the letters that a label takes.
func sum(h hash.Hash) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)))
}

// statements reads those of a whole history, by revision. Of old labels a copy is
// also known by the second in which the verdict was given.
func (n notary) statements(records []*helmrelease.Release) map[int]statement {
	first := map[string]int{}
	for _, stored := range records {
		when := stored.Labels[labelWhen]
		if version, known := first[when]; !known || stored.Version < version {
			first[when] = stored.Version
		}
	}
	result := map[int]statement{}
	for _, stored := range records {
		said := n.read(stored)
		isCopy := stored.Labels[labelOf] == "" && said.mark != record.MarkPending && first[stored.Labels[labelWhen]] != stored.Version
		if isCopy {
			said = statement{origin: said.origin}
		}
		result[stored.Version] = said
	}
	return result
}
