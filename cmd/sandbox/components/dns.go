package components

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	// A plugin registers itself when it is imported.
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/rewrite"
	_ "github.com/coredns/coredns/plugin/template"
)

// serveDNS runs CoreDNS with the few plugins that cluster DNS needs.
func serveDNS() {
	dnsserver.Directives = []string{"bind", "ready", "errors", "cache", "rewrite", "kubernetes", "template"}
	coremain.Run()
}
