package rollout

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkDecide is one look at a rollout with as many new pods, none of them
// ready: what every event of a large Deployment costs.
func BenchmarkDecide(b *testing.B) {
	for _, pods := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("%d pods", pods), func(b *testing.B) {
			s := deploying()
			for i := range pods {
				s.pods = append(s.pods, pod(fmt.Sprintf("web-%d", i), "new", false, waiting("ContainerCreating", "")))
			}
			j := newJudge(nil)
			for i := 0; b.Loop(); i++ {
				if v := j.decide(s, noon.Add(time.Duration(i))); v.ready || v.failed != nil {
					b.Fatalf("unexpected verdict: %+v", v)
				}
			}
		})
	}
}
