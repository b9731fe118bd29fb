package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

const (
	// heldGrace is how long the controllers of an object's finalizers may take: mostly a
	// second, and for ever when they are gone.
	heldGrace = 30 * time.Second
	// gonePause is how long to wait between two looks.
	gonePause = time.Second
)

// Remains is an object that was deleted and is still there.
type Remains struct{ Object, Why string }

// AwaitGone waits until none of the objects is there, as long as ctx lasts: an API server
// that does not answer for a while is asked again. It ends earlier with one that
// finalizers hold; nil for none.
func AwaitGone(ctx context.Context, infos []*resource.Info) (*Remains, error) {
	start := time.Now()
	for {
		left, held, err := remaining(infos)
		switch {
		case err != nil:
			return nil, err
		case left == nil:
			return nil, nil
		case held && time.Since(start) >= heldGrace:
			return left, nil
		}
		if err := retry.Sleep(ctx, gonePause); err != nil {
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return left, nil
			}
			return nil, err
		}
	}
}

// remaining is the first object that is still there, and whether finalizers hold it.
func remaining(infos []*resource.Info) (left *Remains, held bool, err error) {
	for _, info := range infos {
		object, err := Get(info)
		switch {
		case apierrors.IsNotFound(err):
			continue
		case apierror.IsUnreachable(err):
			return &Remains{Name(info), "whether it is gone is not known: " + apierror.Message(err)}, false, nil
		case err != nil:
			return nil, false, err
		}
		why, held := whyThere(object)
		return &Remains{Name(info), why}, held, nil
	}
	return nil, false, nil
}

// whyThere says what keeps an object that was deleted.
func whyThere(object metav1.Object) (why string, held bool) {
	if object.GetDeletionTimestamp() == nil {
		return "it was deleted and is there again: somebody else makes it", false
	}
	foreign := slices.DeleteFunc(slices.Clone(object.GetFinalizers()), func(f string) bool {
		return f == metav1.FinalizerDeleteDependents || f == metav1.FinalizerOrphanDependents
	})
	if len(foreign) == 0 {
		return "it is being deleted since " + object.GetDeletionTimestamp().UTC().Format(time.RFC3339) + " and not gone yet", false
	}
	return fmt.Sprintf("it is being deleted, and its finalizers hold it: %s. Whoever they belong to must take them off; where nobody is left who does, `kubectl edit` does", strings.Join(foreign, ", ")), true
}
