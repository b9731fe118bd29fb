package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// addOn is a part of the target system that a sandbox has when it was asked for.
type addOn struct {
	name  string
	needs []string // add-ons without which it is of no use
	// files lie beside containerd: programs, and definitions of resources.
	files []string
	// pods are the programs among them that run in pods: each is an image of its own.
	pods []string
	// hostPrograms are the distribution's, of packages of the same names.
	hostPrograms []string
	start        func(context.Context, *supervisor) error
}

// addOns lists them as they are named in messages.
func addOns() []addOn {
	return []addOn{
		{name: "ingress", start: startIngress, files: []string{"traefik", "gateway-api.yaml"}, pods: []string{"traefik"}},
		{name: "certificates", start: startCertificates, needs: []string{"ingress"},
			files: []string{"cert-manager", "cert-manager.yaml", "acmesolver", "pebble"}, pods: []string{"acmesolver"}},
		{name: "policies", start: startPolicies, files: []string{"kube-router"}, hostPrograms: []string{"iptables", "ipset"}},
		{name: "metrics", start: startMetrics, files: []string{"metrics-server"}},
		{name: "monitoring", start: startMonitoring, files: []string{"prometheus"}, pods: []string{"prometheus"}},
		{name: "admission", start: startAdmission, files: []string{"policy-controller", "policy-controller.yaml"}},
	}
}

// AddOnNames are those that ChooseAddOns knows.
func AddOnNames() []string {
	var names []string
	for _, a := range addOns() {
		names = append(names, a.name)
	}
	return names
}

// ChooseAddOns gives the named add-ons with those that they need, each once, in a
// fixed order.
func ChooseAddOns(names []string) ([]string, error) {
	wanted := map[string]bool{}
	for _, name := range names {
		at := slices.IndexFunc(addOns(), func(a addOn) bool { return a.name == name })
		if at < 0 {
			return nil, fmt.Errorf("add-on %q: allowed are %s", name, strings.Join(AddOnNames(), ", "))
		}
		wanted[name] = true
		for _, other := range addOns()[at].needs {
			wanted[other] = true
		}
	}
	return slices.DeleteFunc(AddOnNames(), func(name string) bool { return !wanted[name] }), nil
}

// chosen gives the add-ons of these names.
func chosen(names []string) []addOn {
	return slices.DeleteFunc(addOns(), func(a addOn) bool { return !slices.Contains(names, a.name) })
}

// PodPrograms are the files of which the add-ons' images are made.
func PodPrograms(bin string, names []string) []string {
	var all []string
	for _, a := range chosen(names) {
		for _, program := range a.pods {
			all = append(all, filepath.Join(bin, program))
		}
	}
	return all
}

// checkAddOns says everything that this machine lacks for these add-ons.
func checkAddOns(bin string, names []string) []error {
	var missing []error
	for _, a := range chosen(names) {
		for _, file := range a.files {
			if _, err := os.Stat(filepath.Join(bin, file)); err != nil {
				missing = append(missing, fmt.Errorf("the file %s is missing; `make sandbox WITH=%s` builds it", filepath.Join(bin, file), a.name))
			}
		}
		for _, program := range a.hostPrograms {
			if _, err := exec.LookPath(program); err != nil {
				missing = append(missing, fmt.Errorf("the program %s is missing; the add-on %s needs it: `apt-get install %s`", program, a.name, program))
			}
		}
	}
	return missing
}

// Has reports whether the node was made with an add-on.
func (n Node) Has(name string) bool { return slices.Contains(n.AddOns, name) }

// lacking gives the add-ons that are wanted, but not there.
func (n Node) lacking(wanted []string) []string {
	return slices.DeleteFunc(slices.Clone(wanted), n.Has)
}

// startAddOns starts them side by side; each tells its time.
func (s *supervisor) startAddOns(ctx context.Context) error {
	var steps []func(context.Context) error
	for _, a := range chosen(s.node.AddOns) {
		steps = append(steps, func(ctx context.Context) error {
			return s.timed(a.name, func() error {
				if err := a.start(ctx, s); err != nil {
					return fmt.Errorf("the add-on %s: %w", a.name, err)
				}
				return nil
			})
		})
	}
	return together(ctx, steps...)
}
