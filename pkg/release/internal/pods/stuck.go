package pods

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"k8s.io/kubectl/pkg/util/podutils"

	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
)

// observeTimeout bounds the wait for the controller to see a changed StatefulSet.
const observeTimeout = 15 * time.Second

// FreeStuck deletes pods that keep StatefulSets from rolling: the controller
// waits for each pod to be ready before it replaces the next, even for one of a
// revision that can never be ready (https://github.com/kubernetes/kubernetes/issues/67250).
// With all, every unready pod of another revision counts; without, only those
// whose containers cannot start.
func FreeStuck(ctx context.Context, client kubernetes.Interface, target []*resource.Info, all bool) ([]string, error) {
	var lines []string
	for _, info := range target {
		if info.Mapping.GroupVersionKind.GroupKind().String() != "StatefulSet.apps" {
			continue
		}
		freed, err := freePodsOf(ctx, client, info, all)
		lines = append(lines, freed...)
		if err != nil {
			return lines, fmt.Errorf("freeing the pods of %s: %w", live.Name(info), err)
		}
	}
	return lines, nil
}

func freePodsOf(ctx context.Context, client kubernetes.Interface, info *resource.Info, all bool) ([]string, error) {
	set, err := observed(ctx, client, info)
	if err != nil || !rollsInOrder(set) || set.Status.UpdateRevision == "" {
		return nil, err
	}
	selector, err := metav1.LabelSelectorAsSelector(set.Spec.Selector)
	if err != nil {
		return nil, err
	}
	pods, err := client.CoreV1().Pods(info.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, pod := range pods.Items {
		if !metav1.IsControlledBy(&pod, set) || !holdsUp(&pod, set, all) {
			continue
		}
		err := client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, *metav1.NewPreconditionDeleteOptions(string(pod.UID)))
		if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			continue
		}
		if err != nil {
			return lines, err
		}
		lines = append(lines, fmt.Sprintf("deleted Pod/%s of %s: it was not ready and of another revision, and would have held up the rollout", pod.Name, live.Name(info)))
	}
	return lines, nil
}

// observed waits until the controller has seen the StatefulSet as it is now; its
// status says then which revision its pods should have.
func observed(ctx context.Context, client kubernetes.Interface, info *resource.Info) (*appsv1.StatefulSet, error) {
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	sets := client.AppsV1().StatefulSets(info.Namespace)
	set, err := sets.Get(ctx, info.Name, metav1.GetOptions{})
	if err != nil || seen(set) {
		return set, err
	}
	watcher := &cache.ListWatch{WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
		options.FieldSelector = fields.OneTermEqualSelector("metadata.name", info.Name).String()
		return sets.Watch(ctx, options)
	}}
	_, err = watchtools.Until(ctx, set.ResourceVersion, watcher, func(event watch.Event) (bool, error) {
		next, ok := event.Object.(*appsv1.StatefulSet)
		if !ok || event.Type == watch.Deleted {
			return false, nil
		}
		set = next
		return seen(next), nil
	})
	if err != nil {
		return nil, fmt.Errorf("the controller did not see the change within %s: %w", observeTimeout, err)
	}
	return set, nil
}

func seen(set *appsv1.StatefulSet) bool { return set.Status.ObservedGeneration >= set.Generation }

func rollsInOrder(set *appsv1.StatefulSet) bool {
	policy, strategy := set.Spec.PodManagementPolicy, set.Spec.UpdateStrategy.Type
	return (policy == "" || policy == appsv1.OrderedReadyPodManagement) &&
		(strategy == "" || strategy == appsv1.RollingUpdateStatefulSetStrategyType)
}

// holdsUp reports whether the pod keeps the set from rolling.
func holdsUp(pod *corev1.Pod, set *appsv1.StatefulSet, all bool) bool {
	if pod.DeletionTimestamp != nil || pod.Labels[appsv1.StatefulSetRevisionLabel] == set.Status.UpdateRevision || below(pod, set) {
		return false
	}
	return !podutils.IsPodReady(pod) && (all || cannotStart(pod))
}

// below reports whether the partition keeps the pod on its revision on purpose.
func below(pod *corev1.Pod, set *appsv1.StatefulSet) bool {
	rolling := set.Spec.UpdateStrategy.RollingUpdate
	if rolling == nil || rolling.Partition == nil {
		return false
	}
	ordinal, err := strconv.Atoi(pod.Name[strings.LastIndex(pod.Name, "-")+1:])
	return err == nil && ordinal < int(*rolling.Partition)
}

// cannotStart reports whether a container waits for something else than its turn.
func cannotStart(pod *corev1.Pod) bool {
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, status := range list {
			if w := status.State.Waiting; w != nil && w.Reason != "" && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
				return true
			}
		}
	}
	return false
}
