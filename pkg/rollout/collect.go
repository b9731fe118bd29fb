package rollout

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/events"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/judge"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

const (
	// collectTimeout bounds all the reading for an evidence.
	collectTimeout = 8 * time.Second
	maxEvents      = 60
	maxLogs        = 16
	logLines       = 200
	logBytes       = 64 << 10
	// maxTail is what a log is read of at most; LimitBytes counts from its beginning.
	maxTail = 1 << 20
)

// Collect gathers what there is to see of a failed rollout: the table of pods, the
// logs of the new pods that are not ready, and the warnings about all of them. What
// cannot be read within a few seconds is left out. Texts are bounded but not
// redacted, and Diff is left empty: both are the caller's.
func Collect(ctx context.Context, o Options, applied record.Applied, cause record.Cause) record.Evidence {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithTimeout(ctx, collectTimeout)
	defer cancel()
	r := reader{ctx: ctx, client: o.Client, log: o.Log}
	s := r.snapshot(o.qualified(applied))
	look := judge.New(o.Rules).Decide(s, time.Now())
	return record.Evidence{
		Cause:  cause,
		Pods:   judge.Table(time.Now(), look.Statuses, s.Workloads),
		Events: warnings(s, look),
		Logs:   r.logs(wantedLogs(look, cause)),
	}
}

// reader reads once, without a watch, and goes on when something cannot be read.
type reader struct {
	ctx    context.Context //nolint:containedctx // lives as long as one call of Collect
	client kubernetes.Interface
	log    *slog.Logger
}

func (r reader) snapshot(applied record.Applied) cluster.Snapshot {
	s := cluster.Snapshot{Workloads: applied.Workloads, Least: map[record.Workload]int64{}, Lines: map[podstate.Run]cluster.Line{}}
	seen, read := map[string]bool{}, map[string]bool{}
	for _, w := range applied.Workloads {
		pods, found := r.workload(&s, w)
		if key := strings.Join([]string{w.Namespace, pods.labels, pods.fields}, "|"); found && !read[key] {
			read[key] = true
			r.owned(&s, w, pods, seen)
		}
		if !read[w.Namespace] {
			read[w.Namespace] = true
			warnings, err := r.client.CoreV1().Events(w.Namespace).List(r.ctx, metav1.ListOptions{FieldSelector: "type=" + corev1.EventTypeWarning})
			if r.could(err, "events") {
				for i := range warnings.Items {
					s.Add(cluster.StripEvent(&warnings.Items[i]))
				}
			}
		}
	}
	return s
}

// could reports whether something was read.
func (r reader) could(err error, what string) bool {
	if err != nil {
		r.log.Warn("evidence: not readable", "what", what, "error", err)
	}
	return err == nil
}

// workload reads one workload and says which pods may be its own.
func (r reader) workload(s *cluster.Snapshot, w record.Workload) (where, bool) {
	if _, known := judge.Kinds[w.Kind]; !known {
		return where{}, false
	}
	object, err := resources[w.Kind].get(r.ctx, r.client, w.Namespace, w.Name)
	if !r.could(err, w.String()) {
		return where{}, false
	}
	source, err := judge.SourceOf(object)
	if !r.could(err, "pods of "+w.String()) {
		return where{}, false
	}
	if !source.Self { // a pod is listed
		s.Add(object)
	}
	pods, err := podsOf(w.Name, source)
	return pods, r.could(err, "selector of "+w.String()) && pods != (where{})
}

// owned reads what a workload owns.
func (r reader) owned(s *cluster.Snapshot, w record.Workload, of where, seen map[string]bool) {
	selected := metav1.ListOptions{}
	of.tweak(&selected)
	if pods, err := r.client.CoreV1().Pods(w.Namespace).List(r.ctx, selected); r.could(err, "pods") {
		for i := range pods.Items {
			if key := w.Namespace + "/" + pods.Items[i].Name; !seen[key] {
				seen[key] = true
				s.Add(cluster.StripPod(&pods.Items[i]))
			}
		}
	}
	if judge.Kinds[w.Kind].Between != "ReplicaSet" {
		return
	}
	if sets, err := r.client.AppsV1().ReplicaSets(w.Namespace).List(r.ctx, selected); r.could(err, "replicasets") {
		for i := range sets.Items {
			s.Add(&sets.Items[i])
		}
	}
}

// warnings are the events about the workloads and what they own, newest first.
func warnings(s cluster.Snapshot, look judge.Verdict) []record.Event {
	ours := map[string]bool{}
	for _, w := range s.Workloads {
		ours[w.Namespace+"/"+w.String()] = true
	}
	for _, rs := range s.ReplicaSets {
		ours[rs.Namespace+"/ReplicaSet/"+rs.Name] = true
	}
	for _, status := range look.Statuses {
		for _, m := range status.Members {
			ours[m.Pod.Namespace+"/Pod/"+m.Pod.Name] = true
			for _, v := range m.Pod.Spec.Volumes {
				ours[m.Pod.Namespace+"/PersistentVolumeClaim/"+podstate.ClaimOf(m.Pod, v)] = true
			}
		}
	}
	newest := slices.Clone(s.Events)
	slices.SortStableFunc(newest, func(a, b *corev1.Event) int { return events.SeenAt(b).Compare(events.SeenAt(a)) })
	all := []record.Event{}
	for _, e := range newest {
		object := e.InvolvedObject.Kind + "/" + e.InvolvedObject.Name
		if e.Type == corev1.EventTypeWarning && ours[e.InvolvedObject.Namespace+"/"+object] && len(all) < maxEvents {
			all = append(all, record.Event{Object: object, Reason: e.Reason, Message: wording.Shorten(e.Message),
				Count: max(1, int(e.Count)), Seconds: int(max(0, time.Since(events.SeenAt(e))).Seconds())})
		}
	}
	return all
}
