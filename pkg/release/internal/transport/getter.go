package transport

import (
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// Getter gives clients as get does, whose requests all pass the transport.
func (d *Changes) Getter(get genericclioptions.RESTClientGetter) genericclioptions.RESTClientGetter {
	return &getter{RESTClientGetter: get, changes: d}
}

type getter struct {
	genericclioptions.RESTClientGetter
	changes *Changes

	once      sync.Once
	discovery discovery.CachedDiscoveryInterface
	err       error
}

// ToRESTConfig is the kubeconfig's, with the transport.
func (g *getter) ToRESTConfig() (*rest.Config, error) {
	config, err := g.RESTClientGetter.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.Wrap(g.changes.wrap)
	return config, nil
}

// ToDiscoveryClient keeps what it learned in memory.
func (g *getter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	g.once.Do(func() {
		var config *rest.Config
		if config, g.err = g.ToRESTConfig(); g.err != nil {
			return
		}
		var client *discovery.DiscoveryClient
		if client, g.err = discovery.NewDiscoveryClientForConfig(config); g.err == nil {
			g.discovery = memory.NewMemCacheClient(client)
		}
	})
	return g.discovery, g.err
}

// ToRESTMapper asks the API server again for kinds that it did not have before.
func (g *getter) ToRESTMapper() (meta.RESTMapper, error) {
	client, err := g.ToDiscoveryClient()
	if err != nil {
		return nil, err
	}
	return restmapper.NewDeferredDiscoveryRESTMapper(client), nil
}
