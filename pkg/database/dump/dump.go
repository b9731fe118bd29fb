// Package dump dumps the databases of a release into a volume of the cluster, and puts
// them back from there: by Jobs with PostgreSQL's own tools, which get in as the pods of
// the release do.
package dump

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/database"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// Options say where dumps go, and what makes them.
type Options struct {
	database.Options
	Release string
	// Claim is a PersistentVolumeClaim of the namespace; the dumps lie in RELEASE/ID there.
	Claim string
	// Image has psql, pg_dump and pg_restore of the server's version or a newer one; "" is
	// that of the database's own pod.
	Image string
	// Keep is how many dumps stay, at least 1.
	Keep int
	// Recipient is an age recipient that dumps are encrypted for, and Identity names the
	// Secret and its key that hold the identity for restores, as "SECRET/KEY"; both may be
	// "". The image has to have age then.
	Recipient, Identity string
}

// recipients are what age encrypts for: https://github.com/FiloSottile/age/blob/main/doc/age.1.ronn
var recipients = regexp.MustCompile(`^(age1[0-9a-z]{20,}|ssh-(ed25519|rsa) \S+( .*)?)$`)

// Check says what is wrong with the settings, nil when nothing is.
func (o Options) Check() error {
	switch secret, key, _ := strings.Cut(o.Identity, "/"); {
	case o.Recipient != "" && !recipients.MatchString(o.Recipient):
		return record.BadInput("database/dump-recipient", "--dump-recipient: it is none of age's, which have the form age1…, nor a public key of ssh")
	case o.Claim == "":
		return record.BadInput("database/no-claim", "--on-migrated restore needs --dump-claim NAME: a PersistentVolumeClaim in the namespace of the release, which the dumps go to")
	case o.Keep < 1:
		return record.BadInput("database/dump-keep", "--dump-keep %d: allowed are whole numbers from 1", o.Keep)
	case o.Identity != "" && (secret == "" || key == ""):
		return record.BadInput("database/dump-identity", "--dump-identity %q: it has the form SECRET/KEY", o.Identity)
	}
	return nil
}

// Dumps are the dumps of one release.
type Dumps struct{ Options }

// New takes what to do from its options.
func New(o Options) Dumps { return Dumps{o} }

// idFormat is that of an ID: the newest is the last in order.
const idFormat = "20060102-150405"

// Make dumps what the image has left in its databases, and reads it again to its end.
// When it fails nothing is left of it, and older dumps stay.
func (d Dumps) Make(ctx context.Context, workloads []record.Workload, image string) (record.Dump, error) {
	db, err := d.open(ctx, workloads)
	if err != nil {
		return record.Dump{}, err
	}
	all, err := db.Holdings(ctx)
	if err != nil {
		return record.Dump{}, err
	}
	if d.Recipient != "" && d.Identity == "" {
		d.Log.Warn("the dump is encrypted, and no --dump-identity is given: only a person with the identity can restore it")
	}
	id := time.Now().UTC().Format(idFormat)
	d.Log.Info("dumping the databases", "databases", len(all), "claim", d.Claim, "dump", id)
	r, err := d.run(ctx, db, job{kind: kindDump, script: dumping, image: image, id: id, env: map[string]string{
		"DATABASES": names(all), "NEED": strconv.FormatInt(need(all), 10), "KEEP": strconv.Itoa(d.Keep), "RECIPIENT": d.Recipient,
	}})
	made := d.describe(r.dump, image)
	made.Encrypted = d.Recipient != ""
	if err == nil {
		d.Log.Info("the databases are dumped: "+strconv.Itoa(len(made.Databases)), "dump", made.ID, "bytes", made.Bytes, "removed", strings.Join(made.Removed, ", "))
	}
	return made, err
}

// names are the databases in a line each.
func names(all []database.Holding) string {
	lines := make([]string, len(all))
	for i, one := range all {
		lines[i] = one.Name
	}
	return strings.Join(lines, "\n")
}

// need is how much space a dump may want, in KiB: what the tables take, for compressed
// text of them is smaller, and a little for each database.
func need(all []database.Holding) int64 {
	kib := int64(0)
	for _, one := range all {
		kib += one.Bytes/1024 + 256
	}
	return kib
}

func (d Dumps) describe(made record.Dump, image string) record.Dump {
	made.Claim, made.Path, made.Image = d.Claim, d.Release+"/"+made.ID, image
	return made
}

// Restored is what a restore has done.
type Restored struct {
	Dump record.Dump
	// Lost counts what was written since the dump, by table.
	Lost []record.LostWrites
	// Replaced are the names under which the databases are kept as they were before.
	Replaced []string
}

// Restore puts the newest dump of what the image has left in its databases back. The pods
// that use these are stopped before, and have to be resumed ([database.Start]) when an
// image is in its place that may write there. Where the restore fails, the databases are
// as they were.
func (d Dumps) Restore(ctx context.Context, workloads []record.Workload, image string) (Restored, error) {
	db, err := d.open(ctx, workloads)
	if err != nil {
		return Restored{}, err
	}
	found, err := d.run(ctx, db, job{kind: kindFind, script: finding, image: image})
	if err != nil {
		return Restored{}, err
	}
	all := Restored{Dump: d.describe(found.dump, image)}
	d.Log.Warn("restoring the databases as they were when they were dumped", "dump", all.Dump.ID, "begun", all.Dump.Begin.Format(time.RFC3339), "databases", len(all.Dump.Databases))
	if err := database.Stop(ctx, d.Options.Options, workloads); err != nil {
		return all, err
	}
	r, err := d.run(ctx, db, job{kind: kindRestore, script: restoring, image: image, id: all.Dump.ID})
	all.Lost, all.Replaced = r.lost, r.replaced
	if err != nil {
		return all, d.unfinished(ctx, workloads, all.Dump, r, err)
	}
	for _, one := range r.lost {
		d.Log.Warn("written since the dump, and not there any more: " + one.String())
	}
	return all, nil
}

// unfinished says of a restore that failed where the dump is. Where it has said why, the
// databases are as they were, and the pods that were stopped may write there again.
func (d Dumps) unfinished(ctx context.Context, workloads []record.Workload, dump record.Dump, r report, err error) error {
	if r.failed != "" {
		if err := database.Start(ctx, d.Options.Options, workloads); err != nil {
			d.Log.Warn("starting the pods again that were stopped for the restore", "error", err)
		}
	}
	return fmt.Errorf("%w; the dump lies in the PersistentVolumeClaim %s, in the folder %s; `stagecrew recover --release %s --namespace %s --on-migrated restore --dump-claim %s` tries again",
		err, dump.Claim, dump.Path, d.Release, d.Namespace, d.Claim)
}

// open finds the database, and the volume.
func (d Dumps) open(ctx context.Context, workloads []record.Workload) (*database.Database, error) {
	if err := d.claim(ctx); err != nil {
		return nil, err
	}
	return database.Find(ctx, d.Options.Options, workloads)
}

// claim refuses where there is no volume, with the words that make one.
func (d Dumps) claim(ctx context.Context) error {
	claim, err := d.Client.CoreV1().PersistentVolumeClaims(d.Namespace).Get(ctx, d.Claim, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return record.Refused("database/no-claim", "there is no PersistentVolumeClaim %s in the namespace %s; this makes one, with a size of yours: `kubectl --namespace %s apply --filename - <<< '"+
			`{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": %q}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}}`+"'`",
			d.Claim, d.Namespace, d.Namespace, d.Claim)
	case err != nil:
		return apierror.Classify("looking for the volume of the dumps", err)
	case claim.Status.Phase == corev1.ClaimLost:
		return record.Refused("database/no-claim", "the PersistentVolumeClaim %s has lost its volume", d.Claim)
	}
	return nil
}

// failure is the error of a script that has said one.
func failure(r report, doing string) error {
	return record.Refused(r.failed, "%s: %s", doing, r.why)
}

// doing names a kind of Job for people.
func (j job) doing() string {
	switch j.kind {
	case kindDump:
		return "dumping the databases"
	case kindFind:
		return "looking for the dump"
	case kindRestore:
	}
	return "restoring the dump " + j.id
}
