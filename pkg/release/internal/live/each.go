package live

import (
	"context"
	"errors"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/record"
)

const (
	// atOnce bounds the objects that are looked at side by side.
	atOnce = 8
	// listFrom is from how many objects of a kind in a namespace they are read by one
	// request.
	listFrom = 4
)

// Each calls do for all objects, a few side by side, and gives all errors.
func Each(ctx context.Context, infos []*resource.Info, do func(int, *resource.Info) error) error {
	var wg sync.WaitGroup
	free := make(chan struct{}, atOnce)
	errs := make([]error, len(infos))
	for i, info := range infos {
		free <- struct{}{}
		if errs[i] = ctx.Err(); errs[i] != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-free }()
			errs[i] = record.Guard(func() error { return do(i, info) })
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Read gives the live objects, nil where an object was not found or has to be
// asked for by itself.
func Read(ctx context.Context, wanted []*resource.Info) []*unstructured.Unstructured {
	groups := map[string][]int{}
	for i, info := range wanted {
		place := info.Mapping.Resource.String() + "/" + info.Namespace
		groups[place] = append(groups[place], i)
	}
	result := make([]*unstructured.Unstructured, len(wanted))
	var lists []*resource.Info
	for _, members := range groups {
		if len(members) >= listFrom {
			lists = append(lists, wanted[members[0]])
		}
	}
	// What cannot be listed is read one by one, and says there what is wrong.
	_ = Each(ctx, lists, func(_ int, first *resource.Info) error {
		object, err := resource.NewHelper(first.Client, first.Mapping).
			List(first.Namespace, first.Mapping.GroupVersionKind.GroupVersion().String(), &metav1.ListOptions{LabelSelector: labelManagedBy + "=Helm"})
		list, ok := object.(*unstructured.UnstructuredList)
		if err != nil || !ok {
			return err
		}
		for _, i := range groups[first.Mapping.Resource.String()+"/"+first.Namespace] {
			for at := range list.Items {
				if item := &list.Items[at]; item.GetName() == wanted[i].Name {
					item.SetGroupVersionKind(wanted[i].Mapping.GroupVersionKind)
					result[i] = item
				}
			}
		}
		return nil
	})
	return result
}
