# Builds the sandbox into bin/sandbox, and the node's programs into bin/sandbox.d.
# Included by the Makefile of the repository.

SANDBOX_DIR      := cmd/sandbox
SANDBOX_SOURCES  := $(shell find $(SANDBOX_DIR) -type f ! -name '*_test.go' ! -name '*.md' ! -path '*/runtime/*' ! -path '*/sandbox/addons/*')
# Kubernetes says of itself which version it is only when the linker is told.
KUBERNETES_VERSION := $(shell awk '$$1 == "k8s.io/kubernetes" { print $$2 }' $(SANDBOX_DIR)/go.mod)
KUBERNETES_MINOR   := $(word 2,$(subst ., ,$(KUBERNETES_VERSION)))
VERSION_PACKAGE    := k8s.io/component-base/version

# The containerd, runc and CNI programs by their import paths.
SANDBOX_PROGRAMS := \
	github.com/containerd/containerd/v2/cmd/containerd \
	github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2 \
	github.com/containernetworking/plugins/plugins/ipam/host-local \
	github.com/containernetworking/plugins/plugins/main/bridge \
	github.com/containernetworking/plugins/plugins/main/loopback

# What the add-ons run, beside the node's programs, and what they need of the distribution. Without WITH nothing of it is built.
NODE_DIR            := bin/sandbox.d
ADDONS_DIR          := $(SANDBOX_DIR)/addons
ADDONS              := metrics policies certificates ingress monitoring admission
FILES_metrics       := metrics-server
FILES_monitoring    := prometheus
FILES_policies      := kube-router
FILES_admission     := policy-controller policy-controller.yaml
FILES_ingress       := traefik gateway-api.yaml
FILES_certificates  := $(FILES_ingress) pebble cert-manager acmesolver cert-manager.yaml
PACKAGES_policies   := iptables ipset
comma := ,
WITH  ?=
WANTED := $(subst $(comma), ,$(WITH))
$(foreach name,$(filter-out $(ADDONS),$(WANTED)),$(error WITH=$(name): allowed are $(ADDONS)))

.PHONY: sandbox sandbox-deps
sandbox: $(NODE_DIR)/runc bin/sandbox $(addprefix $(NODE_DIR)/,$(sort $(foreach name,$(WANTED),$(FILES_$(name))))) ## build the sandbox: a one-node Kubernetes and a registry (WITH=metrics,policies,certificates,ingress,monitoring,admission: what `sandbox up --with` needs)
	@bin/sandbox images

# What the build and the node need of the distribution. Where there is no apt-get,
# the compiler and `sandbox up` name what they miss.
sandbox-deps:
	@! command -v apt-get >/dev/null || test/packages gcc libc6-dev libseccomp-dev pkg-config nftables $(foreach name,$(WANTED),$(PACKAGES_$(name)))

# After the node's programs, whose packages it shares.
bin/sandbox: $(SANDBOX_SOURCES) | sandbox-deps $(NODE_DIR)/runc
	@test -e $@ || echo "building the sandbox (Kubernetes, etcd, CoreDNS, registry); the first compile takes about 8 minutes on 2 cores"
	cd $(SANDBOX_DIR) && $(UNCOLLECTED) go build -o $(CURDIR)/$@ -ldflags "-s -w \
		-X $(VERSION_PACKAGE).gitVersion=$(KUBERNETES_VERSION) -X $(VERSION_PACKAGE).gitMajor=1 -X $(VERSION_PACKAGE).gitMinor=$(KUBERNETES_MINOR)" .

$(NODE_DIR)/runc: $(SANDBOX_DIR)/runtime/go.mod | sandbox-deps
	@echo "building containerd, runc and the CNI plugins; the first compile takes about 2 minutes on 2 cores"
	mkdir -p $(NODE_DIR)
	cd $(SANDBOX_DIR)/runtime && $(GO_BUILD) -tags $(TAGS),no_btrfs,no_zfs,no_devmapper -o $(CURDIR)/$(NODE_DIR)/ $(SANDBOX_PROGRAMS)
	@# Without libseccomp, and so without cgo, runc refuses every pod that has a profile.
	cd $(SANDBOX_DIR)/runtime && CGO_ENABLED=1 $(GO_BUILD) -tags $(TAGS),seccomp -o $(CURDIR)/$@ github.com/opencontainers/runc

PACKAGE_metrics-server := sigs.k8s.io/metrics-server/cmd/metrics-server
PACKAGE_kube-router    := github.com/cloudnativelabs/kube-router/v2/cmd/kube-router
PACKAGE_pebble         := github.com/letsencrypt/pebble/v2/cmd/pebble
PACKAGE_prometheus     := github.com/prometheus/prometheus/cmd/prometheus
# It finds its targets in Kubernetes, in no cloud; its pages are not in its module.
TAGS_prometheus        := remove_all_sd,enable_kubernetes_sd
PACKAGE_cert-manager   := ./cert-manager
PACKAGE_acmesolver     := ./acmesolver

# They are of other versions of Kubernetes' libraries than the sandbox, with which they share little: without the experiment, as
# those who make them build them.
$(addprefix $(NODE_DIR)/,metrics-server kube-router pebble prometheus cert-manager acmesolver): $(NODE_DIR)/%: $(ADDONS_DIR)/go.mod $(wildcard $(ADDONS_DIR)/*/main.go) | sandbox-deps
	@echo "building $*"
	cd $(ADDONS_DIR) && GOEXPERIMENT= $(GO_BUILD) -tags "$(TAGS),$(TAGS_$*)" -o $(CURDIR)/$@ $(PACKAGE_$*)

# Traefik takes in lego with its 180 DNS services, some of which no module proxy serves: it gets a copy of lego without them.
INGRESS_DIR := $(ADDONS_DIR)/ingress
LEGO        := $(INGRESS_DIR)/build/lego
$(NODE_DIR)/traefik: $(wildcard $(INGRESS_DIR)/go.mod $(INGRESS_DIR)/*.txt $(INGRESS_DIR)/ext/* $(INGRESS_DIR)/httpauth/*) | sandbox-deps
	@echo "building Traefik; the first compile takes about 10 minutes on 2 cores"
	rm -rf $(LEGO) && mkdir -p $(dir $(LEGO))
	module=$$(awk '$$1 == "github.com/go-acme/lego/v5" { print $$1 "@" $$2; exit }' $(INGRESS_DIR)/go.mod) && \
		cp -r "$$(cd $(ADDONS_DIR) && go mod download -json "$$module" | sed -n 's/.*"Dir": "\(.*\)",/\1/p')" $(LEGO)
	chmod -R u+w $(LEGO) && cp $(INGRESS_DIR)/dns_providers.go.txt $(LEGO)/providers/dns/zz_gen_dns_providers.go
	cd $(INGRESS_DIR) && GOEXPERIMENT= $(GO_BUILD) -o $(CURDIR)/$@ github.com/traefik/traefik/v3/cmd/traefik

# policy-controller is of another time of Kubernetes' libraries than the rest, and pins some of them.
ADMISSION_DIR := $(ADDONS_DIR)/admission
$(NODE_DIR)/policy-controller: $(ADMISSION_DIR)/go.mod | sandbox-deps
	@echo "building policy-controller; the first compile takes about 10 minutes on 2 cores"
	cd $(ADMISSION_DIR) && GOEXPERIMENT= $(GO_BUILD) -o $(CURDIR)/$@ github.com/sigstore/policy-controller/cmd/webhook

# Definitions of resources are those of the modules. $(call definitions,MODULE,FILES,DIRECTORY OF THE go.mod)
definitions = cd $(or $(3),$(ADDONS_DIR)) && go mod download $(1) && for file in "$$(go list -m -f '{{ .Dir }}' $(1))"/$(2).yaml; do echo ---; cat "$$file"; done >$(CURDIR)/$@

$(NODE_DIR)/cert-manager.yaml: $(ADDONS_DIR)/go.mod
	$(call definitions,github.com/cert-manager/cert-manager,deploy/crds/*)

$(NODE_DIR)/gateway-api.yaml: $(ADDONS_DIR)/go.mod
	$(call definitions,sigs.k8s.io/gateway-api,config/crd/standard/*)

$(NODE_DIR)/policy-controller.yaml: $(ADMISSION_DIR)/go.mod
	$(call definitions,github.com/sigstore/policy-controller,config/300-*,$(ADMISSION_DIR))

.PHONY: sandbox-test
sandbox-test: ## unit tests of the sandbox, which is a module of its own
	cd $(SANDBOX_DIR) && go test ./cluster ./images
