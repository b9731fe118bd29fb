// Package verdict writes on the record of a revision what was judged of it, and reads
// that again: what the labels say, about which content, and whether this pipeline has
// said it. It knows neither Helm nor the cluster.
package verdict

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"

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

// Statement is what the labels of a record say of its revision.
type Statement struct {
	Mark   record.Mark
	At     time.Time
	Origin int // the revision that this one is a copy of, 0 for none
	// Changed means that the record is not the one that the verdict was given about.
	Changed bool
}

// Notary writes and reads statements. With a key they carry a MAC, and what
// carries none is no statement.
type Notary struct{ Key []byte }

// State gives a record's labels with those about its revision replaced; those of others stay.
func (n Notary) State(stored Record, s Statement) map[string]string {
	labels := maps.Clone(stored.Labels)
	maps.DeleteFunc(labels, func(name, _ string) bool { return strings.HasPrefix(name, labelPrefix) })
	if labels == nil {
		labels = map[string]string{}
	}
	labels[labelVerdict], labels[labelOf] = string(s.Mark), strconv.Itoa(stored.Number)
	labels[labelManifest] = Digest(stored)
	if !s.At.IsZero() {
		labels[labelWhen] = s.At.UTC().Format(whenFormat)
	}
	if s.Origin > 0 {
		labels[labelOrigin] = strconv.Itoa(s.Origin)
	}
	if len(n.Key) > 0 {
		labels[labelMAC] = n.mac(stored, labels)
	}
	return labels
}

// Read gives what the labels of a record say of this very record.
func (n Notary) Read(stored Record) Statement {
	labels := stored.Labels
	// Labels of others may hold anything; what does not parse counts as absent.
	said := Statement{Mark: record.Mark(labels[labelVerdict])}
	said.At, _ = time.Parse(whenFormat, labels[labelWhen])
	said.Origin, _ = strconv.Atoi(labels[labelOrigin])
	switch of := labels[labelOf]; {
	case of == "":
		return n.old(stored, said)
	case of != strconv.Itoa(stored.Number):
		return Statement{}
	case labels[labelManifest] != Digest(stored):
		return Statement{Changed: true}
	case len(n.Key) == 0, said.Mark == record.MarkPending:
		return said
	case labels[labelMAC] == "":
		return Statement{}
	case !n.vouches(stored):
		return Statement{Changed: true}
	}
	return said
}

// old reads labels of before they named their revision. A copy that Helm made is
// younger than the verdict in it. "pending" is no proof of anything and stands.
func (n Notary) old(stored Record, said Statement) Statement {
	isRollback := strings.HasPrefix(stored.Description, "Rollback to ")
	if !isRollback {
		said.Origin = 0
	}
	isOwn := !said.At.Before(stored.Deployed.Truncate(time.Second))
	if said.Mark == record.MarkPending || isOwn && len(n.Key) == 0 {
		return said
	}
	return Statement{Origin: said.Origin}
}

// vouches reports whether the MAC is that of this record with these labels.
func (n Notary) vouches(stored Record) bool {
	return hmac.Equal([]byte(stored.Labels[labelMAC]), []byte(n.mac(stored, stored.Labels)))
}

// Intact refuses a record that is not what its own labels were written about.
func (n Notary) Intact(stored Record) error {
	labels := stored.Labels
	if labels[labelOf] != strconv.Itoa(stored.Number) {
		return nil // they speak of another one, or of none
	}
	isForged := len(n.Key) > 0 && labels[labelMAC] != "" && !n.vouches(stored)
	if labels[labelManifest] != Digest(stored) || isForged {
		return record.Refused("release/target-changed",
			"Helm's record of revision %d was changed since stagecrew wrote on it: it is not what was judged; choose another revision, or make a new one by a deploy", stored.Number)
	}
	return nil
}

// Made reports whether this pipeline wrote the record: with a key nobody else can
// have written what it carries from its first moment.
func (n Notary) Made(stored Record) bool {
	labels := stored.Labels
	return labels[labelOf] == strconv.Itoa(stored.Number) && labels[labelMAC] != "" && n.vouches(stored)
}

// Check refuses to go back to a record whose content is not what was judged.
func (n Notary) Check(stored Record) error {
	if err := n.Intact(stored); err != nil || len(n.Key) == 0 {
		return err
	}
	if stored.Labels[labelOf] != strconv.Itoa(stored.Number) || stored.Labels[labelMAC] == "" {
		return record.Refused("release/target-changed",
			"revision %d carries no verdict that was made with STAGECREW_VERDICT_KEY: anybody may have written it; choose another revision, or make a new one by a deploy", stored.Number)
	}
	return nil
}

// mac binds a verdict to the release, the revision and all that a rollback to it
// would apply or show.
func (n Notary) mac(stored Record, labels map[string]string) string {
	h := hmac.New(sha256.New, n.Key)
	values, _ := json.Marshal(plain(stored.Values)) // values come from JSON or YAML
	put(h, "stagecrew verdict v1", stored.Namespace, stored.Name, strconv.Itoa(stored.Number), Digest(stored), string(values), stored.Chart)
	put(h, labels[labelVerdict], labels[labelWhen], labels[labelOrigin])
	return sum(h)
}

// Statements reads those of a whole history, by revision. Of old labels a copy is
// also known by the second in which the verdict was given.
func (n Notary) Statements(records []Record) map[int]Statement {
	first := map[string]int{}
	for _, stored := range records {
		when := stored.Labels[labelWhen]
		if version, known := first[when]; !known || stored.Number < version {
			first[when] = stored.Number
		}
	}
	result := map[int]Statement{}
	for _, stored := range records {
		said := n.Read(stored)
		isCopy := stored.Labels[labelOf] == "" && said.Mark != record.MarkPending && first[stored.Labels[labelWhen]] != stored.Number
		if isCopy {
			said = Statement{Origin: said.Origin}
		}
		result[stored.Number] = said
	}
	return result
}
