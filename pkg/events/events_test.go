package events_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/events"
)

// The newer way to report events leaves the old fields empty (kubernetes/kubernetes#90482).
func TestAnEventIsSeenAtTheLastMomentThatItNames(t *testing.T) {
	noon := time.Date(2026, time.May, 4, 12, 0, 0, 0, time.UTC)
	for name, e := range map[string]*corev1.Event{
		"of a count":                   {LastTimestamp: metav1.NewTime(noon)},
		"a single one":                 {EventTime: metav1.NewMicroTime(noon)},
		"of a series":                  {EventTime: metav1.NewMicroTime(noon.Add(-time.Hour)), Series: &corev1.EventSeries{LastObservedTime: metav1.NewMicroTime(noon)}},
		"of a count, once of a series": {LastTimestamp: metav1.NewTime(noon), Series: &corev1.EventSeries{LastObservedTime: metav1.NewMicroTime(noon.Add(-time.Hour))}},
	} {
		require.True(t, events.SeenAt(e).Equal(noon), name)
	}
	require.Zero(t, events.SeenAt(&corev1.Event{}))
}
