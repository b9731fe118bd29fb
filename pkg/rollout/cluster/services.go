package cluster

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Service is a Service of the release.
type Service struct {
	Namespace, Name  string
	Selector         labels.Selector
	Ports            []corev1.ServicePort
	Headless         bool
	Balanced         bool // a controller is to give it an address for the outside
	PublishesUnready bool // its endpoints do not follow the readiness of pods
	Gone             bool
	Smoke            string   // annotation [record.AnnotationSmoke]
	Led              []string // ports that led to pods of the revision before
	Asked            int      // the port that the smoke checks go through, 0 for none
	OnlyNear         bool     // no other leads to what runs the image, and it nearly does
}
