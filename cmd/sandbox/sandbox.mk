# Builds the sandbox into bin/sandbox, and the node's programs into bin/sandbox.d.
# Included by the Makefile of the repository.

SANDBOX_DIR      := cmd/sandbox
SANDBOX_SOURCES  := $(shell find $(SANDBOX_DIR) -type f ! -name '*_test.go' ! -name '*.md' ! -path '*/runtime/*')
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

.PHONY: sandbox sandbox-deps
sandbox: bin/sandbox.d/runc bin/sandbox ## build the sandbox: a one-node Kubernetes and a registry
	@bin/sandbox images

# What the build and the node need of the distribution. Where there is no apt-get,
# the compiler and `sandbox up` name what they miss.
sandbox-deps:
	@! command -v apt-get >/dev/null || test/packages gcc libc6-dev libseccomp-dev pkg-config nftables

bin/sandbox: $(SANDBOX_SOURCES) | sandbox-deps
	@test -e $@ || echo "building the sandbox (Kubernetes, etcd, CoreDNS, registry); the first compile takes about 8 minutes on 2 cores"
	cd $(SANDBOX_DIR) && $(AS_TOOL) GOGC=400 go build -o $(CURDIR)/$@ -ldflags "-s -w \
		-X $(VERSION_PACKAGE).gitVersion=$(KUBERNETES_VERSION) -X $(VERSION_PACKAGE).gitMajor=1 -X $(VERSION_PACKAGE).gitMinor=$(KUBERNETES_MINOR)" .

bin/sandbox.d/runc: $(SANDBOX_DIR)/runtime/go.mod | sandbox-deps
	@echo "building containerd, runc and the CNI plugins; the first compile takes about 2 minutes on 2 cores"
	mkdir -p bin/sandbox.d
	cd $(SANDBOX_DIR)/runtime && $(AS_TOOL) $(GO_BUILD) -tags "no_btrfs no_zfs no_devmapper" -o $(CURDIR)/bin/sandbox.d/ $(SANDBOX_PROGRAMS)
	@# Without libseccomp, and so without cgo, runc refuses every pod that has a profile.
	cd $(SANDBOX_DIR)/runtime && $(AS_TOOL) CGO_ENABLED=1 $(GO_BUILD) -tags seccomp -o $(CURDIR)/$@ github.com/opencontainers/runc

.PHONY: sandbox-test
sandbox-test: ## unit tests of the sandbox, which is a module of its own
	cd $(SANDBOX_DIR) && $(AS_TOOL) go test ./cluster ./images
