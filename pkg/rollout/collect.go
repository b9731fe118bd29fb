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

	"github.com/stagecrew/stagecrew/pkg/record"
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
	look := newJudge(o.Rules).decide(s, time.Now())
	return record.Evidence{
		Cause:  cause,
		Pods:   podTable(time.Now(), look.statuses, s.workloads),
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

func (r reader) snapshot(applied record.Applied) snapshot {
	s := snapshot{workloads: applied.Workloads, least: map[record.Workload]int64{}, lines: map[container]line{}}
	seen, read := map[string]bool{}, map[string]bool{}
	for _, w := range applied.Workloads {
		pods, found := r.workload(&s, w)
		if key := strings.Join([]string{w.Namespace, pods.labels, pods.fields}, "|"); found && !read[key] {
			read[key] = true
			r.owned(&s, w, pods, seen)
		}
		if !read[w.Namespace] {
			read[w.Namespace] = true
			events, err := r.client.CoreV1().Events(w.Namespace).List(r.ctx, metav1.ListOptions{FieldSelector: "type=" + corev1.EventTypeWarning})
			if r.could(err, "events") {
				for i := range events.Items {
					s.add(stripEvent(&events.Items[i]))
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
func (r reader) workload(s *snapshot, w record.Workload) (where, bool) {
	k, known := kinds[w.Kind]
	if !known {
		return where{}, false
	}
	object, err := resources[w.Kind].get(r.ctx, r.client, w.Namespace, w.Name)
	if !r.could(err, w.String()) {
		return where{}, false
	}
	source := k.template(object)
	if !source.self { // a pod is listed
		s.add(object)
	}
	pods, err := podsOf(w.Name, source)
	return pods, r.could(err, "selector of "+w.String()) && pods != (where{})
}

// owned reads what a workload owns.
func (r reader) owned(s *snapshot, w record.Workload, of where, seen map[string]bool) {
	selected := metav1.ListOptions{}
	of.tweak(&selected)
	if pods, err := r.client.CoreV1().Pods(w.Namespace).List(r.ctx, selected); r.could(err, "pods") {
		for i := range pods.Items {
			if key := w.Namespace + "/" + pods.Items[i].Name; !seen[key] {
				seen[key] = true
				s.add(stripPod(&pods.Items[i]))
			}
		}
	}
	if kinds[w.Kind].between != "ReplicaSet" {
		return
	}
	if sets, err := r.client.AppsV1().ReplicaSets(w.Namespace).List(r.ctx, selected); r.could(err, "replicasets") {
		for i := range sets.Items {
			s.add(&sets.Items[i])
		}
	}
}

// warnings are the events about the workloads and what they own, newest first.
func warnings(s snapshot, look verdict) []record.Event {
	ours := map[string]bool{}
	for _, w := range s.workloads {
		ours[w.Namespace+"/"+w.String()] = true
	}
	for _, rs := range s.replicaSets {
		ours[rs.Namespace+"/ReplicaSet/"+rs.Name] = true
	}
	for _, status := range look.statuses {
		for _, m := range status.members {
			ours[m.pod.Namespace+"/Pod/"+m.pod.Name] = true
			for _, v := range m.pod.Spec.Volumes {
				ours[m.pod.Namespace+"/PersistentVolumeClaim/"+claimOf(m.pod, v)] = true
			}
		}
	}
	events := slices.Clone(s.events)
	slices.SortStableFunc(events, func(a, b *corev1.Event) int { return seenAt(b).Compare(seenAt(a)) })
	all := []record.Event{}
	for _, e := range events {
		object := e.InvolvedObject.Kind + "/" + e.InvolvedObject.Name
		if e.Type == corev1.EventTypeWarning && ours[e.InvolvedObject.Namespace+"/"+object] && len(all) < maxEvents {
			all = append(all, record.Event{Object: object, Reason: e.Reason, Message: shorten(e.Message),
				Count: max(1, int(e.Count)), Seconds: int(max(0, time.Since(seenAt(e))).Seconds())})
		}
	}
	return all
}
