package judge

import (
	"fmt"
	"testing"
	"time"

	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

// BenchmarkDecide is one look at a rollout with as many new pods, none of them
// ready: what every event of a large Deployment costs.
func BenchmarkDecide(b *testing.B) {
	for _, pods := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("%d pods", pods), func(b *testing.B) {
			s := fixture.Deploying()
			for i := range pods {
				s.Pods = append(s.Pods, fixture.Pod(fmt.Sprintf("web-%d", i), "new", false, fixture.Waiting("ContainerCreating", "")))
			}
			j := New(nil)
			for i := 0; b.Loop(); i++ {
				if v := j.Decide(s, fixture.Noon.Add(time.Duration(i))); v.Ready || v.Failed != nil {
					b.Fatalf("unexpected verdict: %+v", v)
				}
			}
		})
	}
}
