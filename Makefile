# Everything that a developer or CI runs. `make` alone lists the targets.

# One setting for all that make builds, so that what the product, the sandbox, its node and
# the tools share is compiled once. Static programs; the experiment without which Trivy does
# not compile; no debug information, which -s -w would take away again; no inlining, for which
# the compiler takes a third more time, and no proof that an index is within bounds, a fifteenth
# (`make build` and a release have both); not what gRPC has for Google's clouds; no plugins of Go
# in kustomize, for which gcc's linker would link the tests with cgo, with every method; and nobody
# asks the C library for names, so that runc, the only program with cgo, is of the same packages.
# `make GOFLAGS=` is without all that.
export CGO_ENABLED  := 0
export GOEXPERIMENT := jsonv2
TAGS  := disable_grpc_modules,kustomize_disable_go_plugin_support,netgo,osusergo
# Two are inlined, which cost seconds of the compiler's time: Go's runtime is a part of all that runs, and a third of what a
# build of an image takes is compressing.
COMPILER := -dwarf=false -l -d=ssa/prove/off
INLINE    = $(foreach package,$(1),-gcflags=$(package)=-dwarf=false)
RUNTIME  := runtime/... internal/runtime/...
COMPRESS := compress/... github.com/klauspost/compress/...
QUICK    := "-gcflags=all=$(COMPILER)" $(call INLINE,$(RUNTIME) $(COMPRESS)) -tags=$(TAGS)
ifeq ($(findstring $(QUICK),$(GOFLAGS)),)
export GOFLAGS := $(strip $(GOFLAGS) $(QUICK))
endif

# What compiles longest, in percent of the product: Trivy 12 and what comes with it (AWS's SDK 5, Redis 4, Open Policy Agent 3),
# client-go 8, Go's own packages 8, k8s.io/api 7. Of the sandbox: a hundred packages of Kubernetes 1.37 that name an informer
# compile client-go's generic types for all 147 kinds again, one to two seconds each.

# The compiler and the linker end before what they throw away must be collected: a sixth less of their time, as long as
# one of them has 3 GB. What is tested runs as it does elsewhere.
UNCOLLECTED := env GOGC=off GOMEMLIMIT=3GiB
GO_BUILD    := $(UNCOLLECTED) go build -ldflags "-s -w"
GO_INSTALL   = GOBIN=$(TOOLS) $(UNCOLLECTED) go install
GO_TEST     := $(UNCOLLECTED) go test -exec "env -u GOGC -u GOMEMLIMIT" -vet=off

include tools.mk
include cmd/sandbox/sandbox.mk

TOOLS := $(CURDIR)/bin/tools
GO_FILES := $(shell git ls-files -co --exclude-standard '*.go' '*.yaml' '*.tmpl' go.mod go.sum 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help build test test-unit test-short e2e lint generate verify bench demo clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | sort | awk -F'\t' '{ printf "  %-14s %s\n", $$1, $$2 }'

.PHONY: env
env: ## prints what a shell evaluates to share the build cache
	@echo "export CGO_ENABLED=$(CGO_ENABLED) GOEXPERIMENT=$(GOEXPERIMENT) GOFLAGS='$$GOFLAGS'"

# As a release is built, but for its version: for use, and for what measures.
AS_RELEASED := GOFLAGS=-tags=$(TAGS)

build: ## build bin/stagecrew, with inlining
	$(AS_RELEASED) $(GO_BUILD) -o bin/stagecrew ./cmd/stagecrew

TELL_FIRST = @test -e bin/stagecrew || echo "building stagecrew; the first compile takes about 10 minutes on 2 cores"

bin/stagecrew: $(GO_FILES)
	$(TELL_FIRST)
	$(GO_BUILD) -o bin/stagecrew ./cmd/stagecrew

# After what the clusters need is built, two parts wait for pods, each with its own, one for a Sigstore, and one for the cores,
# which it leaves to the others: they run side by side.
test: programs ## all tests that CI runs: generated files, unit tests, signatures, actions under act, the main path on the sandbox
	@$(MAKE) --no-print-directory -j4 test-code e2e-main e2e-actions test-sigstore

.PHONY: test-code
test-code:
	@for target in verify test-unit; do nice $(MAKE) --no-print-directory $$target || exit 1; done

# The others need a cluster or a Sigstore; e2e-main, e2e and test-sigstore run them.
UNIT          = go list ./... | grep -vE '/test/(actions|e2e|scenarios|sigstore|target)$$'
# What runs without the race detector: the rules of the rooms; the charts and fifty registries, which `make race` has; what Trivy
# is part of, and what does a part of its work with the detector.
PLAIN          = ./internal/archtest ./charts ./test/registries
PLAIN_PACKAGES = $(PLAIN) $$(go list -f '{{.ImportPath}} {{join .Deps " "}} {{join .TestImports " "}} {{join .XTestImports " "}}' ./pkg/... ./cmd/... ./test/hostile | grep -E '/pkg/scan|/test/(race|hostile)( |$$)' | cut -d ' ' -f 1)

# The race detector needs cgo, and a compilation of everything for it. Trivy is left
# out of that: it would take as long as all else. So these are the tests of a build
# without it, too. govet is part of make lint.
RACE := CGO_ENABLED=1 GOEXPERIMENT= $(GO_TEST) -race -shuffle=on -timeout 30m

# What reads and computes, and shares nothing but by a lock: the race detector, which takes most of the time of tests there, does
# not see it in test-unit; in `make race`, every night, it does. It is not inlined, so that what locks is seen, and has no
# atomics, which would not be. Nothing of the product's is unsafe, so no pointer is checked. A third package is tested while one
# of two waits for a browser or a database.
UNSEEN := compress/... encoding/base64 encoding/json regexp/... golang.org/x/crypto/pbkdf2 golang.org/x/crypto/scrypt go.yaml.in/yaml/... sigs.k8s.io/json/...
QUICK_RACE = GOFLAGS='$(GOFLAGS) "-gcflags=all=$(COMPILER),checkptr=0" $(call INLINE,$(RUNTIME)) $(foreach package,$(UNSEEN),"-gcflags=$(package)=$(COMPILER),checkptr=0 -race=false")' $(RACE) -p 3

# Tests of what these do are skipped without them, and have failed in CI. Any of the
# browsers will do that the product looks for.
BROWSERS = $(shell sed -n 's/^var programs = \[\]string{\(.*\)}$$/\1/p' pkg/smoke/chromium/chromium.go | tr -d '",')

.PHONY: test-deps
test-deps:
	@has() { for program in "$$@"; do command -v "$$program" >/dev/null && return 0; done; return 1; }; \
	missing=""; \
	has initdb /usr/lib/postgresql/*/bin/initdb || missing="$$missing postgresql"; \
	has $(BROWSERS) || missing="$$missing chromium"; \
	has age || missing="$$missing age"; \
	test -n "$$missing" || exit 0; \
	{ test "$$(id -u)" = 0 || test "$$CI" = true; } && has apt-get && test/packages $$missing && exit 0; \
	if test "$$CI" = true; then echo "in CI no test may be skipped, and there is no$$missing"; exit 1; fi; \
	echo "SKIPPED will be all tests that need what could not be installed:$$missing (as root, on a Debian: test/packages$$missing)"

test-unit: test-deps ## unit, script and chart tests, without a cluster: the product's under the race detector, and with Trivy
	$(QUICK_RACE) $$($(UNIT) | grep -vxF "$$(go list $(PLAIN))")
	$(GO_TEST) -shuffle=on $(PLAIN_PACKAGES)
	cd cmd/sandbox && $(GO_TEST) -shuffle=on ./...
	cd test/sigstore/server && $(GO_TEST) -shuffle=on ./...

# Packages whose fuzz targets read what others wrote, and how long each is fuzzed.
FUZZTIME ?= 60s

.PHONY: fuzz race
fuzz: ## each fuzz target for a minute (FUZZTIME=10s; FUZZ=FuzzReferences for one of them)
	@grep -rhoE '^func (Fuzz\w+)' --include='*_test.go' -r pkg test --with-filename | sed -E 's/:func / /' | while read -r file target; do \
		case "$$target" in $(or $(FUZZ),Fuzz)*) ;; *) continue ;; esac; \
		echo "$$target in $$(dirname "$$file")"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")" || exit 1; \
	done

RACE_PACKAGES ?= ./pkg/... ./cmd/... ./internal/... ./charts ./test/registries
RACE_COUNT    ?= 1

race: ## unit tests of the product under the race detector, in random order (RACE_COUNT=10, RACE_PACKAGES=./pkg/release)
	$(RACE) -count=$(RACE_COUNT) -timeout 60m $(RACE_PACKAGES)

# Half of it is linking; and what waits leaves the cores to others: packages, and the tests of
# one that say that they may (a signature is looked at again a while after its tag was written). Trivy is two thirds of what
# is linked, and in four programs: here in that of its room. -short skips what needs a database server or a browser, too.
# What is run by -exec, as by GO_TEST, go tests anew each time.
SHORT := go test -vet=off -short -p 4 -parallel 8

test-short: ## the same, quick: two minutes on two cores when compiled, seconds for what has not changed; without databases, browsers, the whole program, and with Trivy in pkg/scan only
	@echo "SKIPPED is cmd/stagecrew, which runs the whole program: make test does"
	@code=0; $(SHORT) -tags $(TAGS),notrivy $$($(UNIT) | grep -vE '/(cmd/stagecrew|pkg/scan)$$') || code=$$?; $(SHORT) ./pkg/scan && exit $$code

.PHONY: test-sigstore
test-sigstore: bin/stagecrew bin/sigstore $(TOOLS)/cosign ## keyless signatures with a private Sigstore, beside the cosign CLI
	E2E_REQUIRED=1 E2E_SIGSTORE=$(CURDIR)/bin/sigstore E2E_TOOLS=$(TOOLS) E2E_STAGECREW=$(CURDIR)/bin/stagecrew $(GO_TEST) -count=1 -v ./test/sigstore

# The registries' table is test-unit's, too.
.PHONY: e2e-main e2e-actions
e2e-main: bin/stagecrew sandbox bin/withenv ## the main path, registries and the chart, on the sandbox
	E2E_REQUIRED=1 bin/withenv -name e2e -- \
		$(GO_TEST) -p 1 -count=1 -timeout 40m -v -skip '^(TestNoSecretLeavesARun|TestMigrations|TestRegistriesAre)' ./test/e2e ./test/registries ./charts

e2e-actions: bin/stagecrew sandbox bin/withenv $(TOOLS)/act ## the actions under act, on the sandbox
	ACT_BIN=$(TOOLS)/act E2E_REQUIRED=1 bin/withenv -name actions -- $(GO_TEST) -count=1 -timeout 40m -v ./test/actions

.PHONY: e2e-secrets
e2e-secrets: bin/stagecrew sandbox bin/withenv ## a release that shows all its secrets: none leaves, nor when the run is cancelled or panics
	E2E_REQUIRED=1 bin/withenv -name e2e -- $(GO_TEST) -count=1 -timeout 20m -v -run TestNoSecretLeaves ./test/e2e

.PHONY: e2e-migrations
e2e-migrations: bin/stagecrew sandbox bin/withenv ## releases whose migrations are in the database fail and go back by each policy and by hand, and are killed while they migrate
	E2E_REQUIRED=1 bin/withenv -name e2e -- $(GO_TEST) -count=1 -timeout 60m -v -run TestMigrations ./test/e2e

.PHONY: e2e-migrations-real
e2e-migrations-real: bin/stagecrew sandbox bin/withenv $(TOOLS)/helm ## four releases of Backstage from the npm registry: each way back from a release whose migrations are in, beside helm rollback; half an hour; writes the table in docs/migrations.md
	E2E_REAL=1 E2E_HELM=$(TOOLS)/helm E2E_MIGRATIONS_DOCUMENT=$(CURDIR)/docs/migrations.md E2E_REQUIRED=1 bin/withenv -name e2e -- \
		$(GO_TEST) -count=1 -timeout 90m -v -run TestMigrationsOfRealReleases ./test/e2e

.PHONY: e2e-migration-pairs
e2e-migration-pairs: bin/stagecrew sandbox bin/withenv ## the verdict on two images of 300 MB, and on each ordered pair of four releases of Backstage, against what real databases hold and what their backends do on each other's; writes the table in docs/migrations.md
	E2E_REAL=1 E2E_MIGRATIONS_DOCUMENT=$(CURDIR)/docs/migrations.md E2E_REQUIRED=1 bin/withenv -name e2e -- \
		$(GO_TEST) -count=1 -timeout 60m -v -run 'TestMigrationsOf(EachPair|LargeImages)' ./test/e2e

.PHONY: e2e-migration-kills
e2e-migration-kills: bin/stagecrew sandbox bin/withenv ## pods are killed while they migrate, at ten seeded moments, and the next deploy is made
	E2E_KILLS=1 E2E_REQUIRED=1 bin/withenv -name e2e -- $(GO_TEST) -count=1 -timeout 60m -v -run TestMigrationsOfKilledPods ./test/e2e

# What was measured, for the document; it is written after a failure, too.
SCENARIOS := $(CURDIR)/bin/scenarios

e2e: bin/stagecrew sandbox bin/withenv $(TOOLS)/helm ## the scenario suite and the kill matrix on the sandbox, beside helm; writes docs/scenarios.md
	rm -rf $(SCENARIOS) && mkdir -p $(SCENARIOS)
	E2E_RESULTS=$(SCENARIOS) E2E_HELM=$(TOOLS)/helm E2E_REQUIRED=1 bin/withenv -name scenarios -- $(GO_TEST) -count=1 -timeout 90m -v ./test/scenarios; \
		code=$$?; go run ./test/scenarios/table $(SCENARIOS) | sed -E 's|[^ ]*/scenario-[0-9]+|CHART|g' > $(SCENARIOS)/scenarios.md && mv $(SCENARIOS)/scenarios.md docs/scenarios.md && exit $$code

# Every night: far more kills than the table in docs/scenarios.md has.
KILLS ?= 100

.PHONY: e2e-kills
e2e-kills: bin/stagecrew sandbox bin/withenv ## KILLS=100 deploys killed at random moments; SEED=N repeats a run
	E2E_KILLS=$(KILLS) E2E_SEED=$(SEED) E2E_REQUIRED=1 bin/withenv -name scenarios -- \
		$(GO_TEST) -count=1 -timeout 6h -v -run '^TestAfterSIGKILLAtARandomMomentTheSameCommandEndsWell$$' ./test/scenarios

# The whole target system, on a sandbox with all that it needs. It compiles that first, about 20 minutes on 2 cores, and then takes more than half an hour.
TARGET_ADDONS := metrics,policies,certificates,ingress,monitoring
TARGET         = TARGET_DOCUMENT=$(CURDIR)/docs/target.md E2E_REQUIRED=1 bin/withenv -name target
TARGET_ADMISSION := TestOnlySignedImages
TARGET_PLAIN  ?= TestPagesThatNobodyCanUse|TestALargeCatalog|TestTheWholePortal

.PHONY: target target-plain target-admission
target: bin/stagecrew bin/withenv test-deps ## Backstage behind an ingress with certificates, policies and metrics, deployed, updated, broken and taken back; writes docs/target.md
	$(MAKE) sandbox WITH=$(TARGET_ADDONS)
	$(TARGET) -with $(TARGET_ADDONS) -- \
		sh -c '$(GO_TEST) -count=1 -timeout 60m -v -skip "^($(TARGET_PLAIN)|$(TARGET_ADMISSION))$$" ./test/target && E2E_LIVE=1 $(GO_TEST) -count=1 -v -run TestTheLiveSystem ./charts'

target-plain: bin/stagecrew bin/withenv sandbox test-deps ## what needs nothing but a cluster: pages that nobody can use, a catalog of 10,000 entities, with FULL=1 a whole Backstage; writes their parts of docs/target.md
	$(TARGET) $(if $(filter 1,$(FULL)),-whole) -- $(GO_TEST) -count=1 -timeout 120m -v -run '^($(TARGET_PLAIN))$$' ./test/target

target-admission: bin/stagecrew bin/withenv test-deps ## a cluster that admits only what the pipeline has signed, by digest; it compiles policy-controller first, and writes its part of docs/target.md
	$(MAKE) sandbox WITH=admission
	$(TARGET) -with admission -- $(GO_TEST) -count=1 -timeout 30m -v -run '^$(TARGET_ADMISSION)$$' ./test/target

bin/withenv: $(GO_FILES)
	$(GO_BUILD) -o bin/withenv ./test/withenv

bin/sigstore: $(shell find test/sigstore/server -type f ! -name '*_test.go')
	@test -e $@ || echo "building a private Sigstore; the first compile takes about 5 minutes on 2 cores"
	cd test/sigstore/server && $(GO_BUILD) -o $(CURDIR)/$@ .

# What linters have to know of all that is imported takes minutes the first time, and may take memory for that.
LINT = env GOGC=off GOMEMLIMIT=6GiB $(TOOLS)/golangci-lint run --config $(CURDIR)/$(1)

# The modules with code. The others have none: they only say which versions of others' programs are built; cmd/sandbox/addons
# has two short main programs over cert-manager, which would have to be compiled before anything can be said of them.
# So has cmd/sandbox two short packages over all of Kubernetes: lint-deep takes them.
LINTED := . cmd/sandbox cmd/sandbox/addons/ingress/ext cmd/sandbox/addons/ingress/httpauth test/sigstore/server
LINTED_cmd/sandbox := ./cluster ./commands ./images

.PHONY: lint-deep
lint: $(TOOLS)/golangci-lint ## golangci-lint with the room rules, in all modules
	$(foreach dir,$(LINTED),(cd $(dir) && $(call LINT,.golangci.yml) $(or $(LINTED_$(dir)),./...)) &&) true
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt would change:"; gofmt -l $$(git ls-files '*.go'); exit 1; }

lint-deep: $(TOOLS)/golangci-lint ## what must be known of other packages' functions, in all modules
	$(foreach dir,$(LINTED),(cd $(dir) && $(call LINT,.golangci-deep.yml) ./...) &&) true
	cd cmd/sandbox && $(call LINT,.golangci.yml) ./...

generate: ## bring generated files in step with the code
	go generate ./...

verify: ## fail when generated files are stale
	@tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && cp -r action.yml actions docs "$$tmp" && go run ./internal/gen/settings "$$tmp" && \
		for f in action.yml actions docs; do diff -r $$f "$$tmp/$$f" || exit 1; done || { echo "generated files are stale: run make generate"; exit 1; }

bench: ## run the benchmarks
	$(AS_RELEASED) go test -run '^$$' -bench . -benchmem ./pkg/...

# All that is compared is compiled as it is released.
RELEASED        := $(CURDIR)/bin/released
BENCHMARK_TOOLS := $(addprefix $(RELEASED)/,buildkitd buildx trivy cosign)
BENCHMARKS      := $(CURDIR)/bin/benchmarks.json

.PHONY: benchmarks
benchmarks: build sandbox bin/withenv ## stagecrew beside BuildKit, trivy and cosign; writes docs/benchmarks.md (BENCHMARK_FLAGS="-only ab -cold 5")
	$(MAKE) GOFLAGS= TOOLS=$(RELEASED) $(BENCHMARK_TOOLS)
	$(GO_BUILD) -o bin/benchmarks ./test/benchmarks
	BENCHMARK_TOOLS=$(RELEASED) bin/withenv -name benchmarks -- bin/benchmarks -results $(BENCHMARKS) -document docs/benchmarks.md $(BENCHMARK_FLAGS)

.PHONY: worlds
worlds: bin/stagecrew sandbox bin/withenv ## workspaces of create-app over the years, built and started; an hour, needs the npm registry; writes docs/worlds.md (WORLDS_FLAGS="-only 1.50.0")
	$(GO_BUILD) -o bin/worlds ./test/worlds
	bin/withenv -name worlds -- bin/worlds -work bin/worlds.d -document docs/worlds.md $(WORLDS_FLAGS)

PICTURES := good refused rolled-back needs-human cancelled
CHROMIUM ?= chromium

.PHONY: pictures
pictures: bin/stagecrew ## docs/report-*.png and summary-*.png: how `stagecrew report` shows five runs, as a page and in the summary of a job, in a headless Chromium
	@command -v $(CHROMIUM) >/dev/null || { echo "SKIPPED: no picture was made, because $(CHROMIUM) is not installed (CHROMIUM=PROGRAM names another browser of its kind)"; exit 0; }; \
		tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && $(GO_BUILD) -o "$$tmp/summary" ./test/pictures/summary && for name in $(PICTURES); do \
		bin/stagecrew report --html "pkg/report/testdata/runs/$$name.json" >"$$tmp/report-$$name.html" && \
		bin/stagecrew report "pkg/report/testdata/runs/$$name.json" | "$$tmp/summary" >"$$tmp/summary-$$name.html" && \
		for kind in report summary; do $(CHROMIUM) --headless --no-sandbox --disable-gpu --disable-lcd-text --hide-scrollbars --user-data-dir="$$tmp/profile" --window-size=1000,2600 \
			--screenshot="docs/$$kind-$$name.png" "file://$$tmp/$$kind-$$name.html" 2>"$$tmp/log" && test -s "docs/$$kind-$$name.png" || { cat "$$tmp/log"; exit 1; }; done || exit 1; \
		done && go run ./test/pictures docs/report-*.png docs/summary-*.png && ls -l docs/report-*.png docs/summary-*.png

# What shares packages is compiled one after the other: side by side each would compile them. Beside it go what waits for the
# network: the modules of what comes next, the sandbox's images, npm's packages.
.PHONY: programs product example compiled modules
programs:
	@$(MAKE) --no-print-directory -j4 compiled modules sandbox $(if $(filter 1,$(FULL)),,example)

modules:
	@cd $(SANDBOX_DIR) && go list -deps . >/dev/null
	@go list -deps ./cmd/stagecrew ./test/demo >/dev/null

compiled: bin/sandbox
	@$(MAKE) --no-print-directory product

# One command, so that the two are linked side by side.
product:
	$(TELL_FIRST)
	$(GO_BUILD) -o bin/ ./cmd/stagecrew ./test/demo

example:
	go run ./test/example/fetch

demo: programs ## the main job on a real cluster; FULL=1 with a whole Backstage built from its sources (minutes), KUBECONFIG=FILE REPOSITORY=HOST/PATH for a cluster of yours, KEEP=1 leaves the sandbox running
	bin/demo $(DEMO_FLAGS)

.PHONY: portal-pictures
portal-pictures: ## docs/portal-*.png: pages of the whole example, deployed on the sandbox, in a headless Chromium
	$(MAKE) demo FULL=1 PORTAL_PICTURES=docs
	go run ./test/pictures docs/portal-*.png && ls -l docs/portal-*.png

# VERSION is without v. The order of a release is in .github/CONTRIBUTING.md.
TOOLCHAIN := $(shell sed -n 's/^toolchain //p' go.mod)
RELEASER   = GOTOOLCHAIN=$(TOOLCHAIN) go run ./internal/releaser -version "$(VERSION)"
DIST      ?= dist

.PHONY: release release-check release-hashes release-next release-twice
release: ## VERSION=1.4.0: the files of a release in dist (DIST, PLATFORMS=linux/amd64), the same bytes on every machine
	$(RELEASER) -dir $(DIST) $(if $(PLATFORMS),-platforms $(PLATFORMS))

release-check: ## the same, and refuses what is not as VERSION and SHA256SUMS of actions/setup say
	$(RELEASER) -dir $(DIST) $(if $(PLATFORMS),-platforms $(PLATFORMS)) -check

release-hashes: ## VERSION=1.4.0: the same, and writes them: for the commit of the release
	$(RELEASER) -dir $(DIST) -pin

release-next: ## VERSION=1.5.0: begins the next version, which has no checksums yet
	$(RELEASER) -next

release-twice: ## builds in two folders, with two homes and caches, and wants one checksum (PLATFORMS=linux/amd64; it compiles everything)
	@tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && modules=$$(go env GOMODCACHE) && cache=$$(go env GOCACHE) && \
		mkdir -p "$$tmp/one" "$$tmp/two/of somebody else/home" && ln -s "$$modules" "$$tmp/modules" && \
		git ls-files -z | xargs -0 cp -P --parents -t "$$tmp/one" && cp -r "$$tmp/one/." "$$tmp/two/of somebody else/repository" && \
		(cd "$$tmp/one" && GOMODCACHE="$$modules" GOCACHE="$$cache" GOTOOLCHAIN=$(TOOLCHAIN) go run ./internal/releaser -version 0.0.0-twice -dir "$$tmp/first" -platforms $(or $(PLATFORMS),linux/amd64)) && \
		(cd "$$tmp/two/of somebody else/repository" && HOME="$$tmp/two/of somebody else/home" GOMODCACHE="$$tmp/modules" GOCACHE="$${TWICE_CACHE:-$$tmp/cache}" GOTOOLCHAIN=$(TOOLCHAIN) \
			go run ./internal/releaser -version 0.0.0-twice -dir "$$tmp/second" -platforms $(or $(PLATFORMS),linux/amd64)) && \
		diff "$$tmp/first/SHA256SUMS" "$$tmp/second/SHA256SUMS" && cat "$$tmp/first/SHA256SUMS"

clean: ## remove what was built
	rm -rf bin

# Only a KUBECONFIG given to make itself counts: one that lies in the environment
# may be somebody's production.
DEMO_FLAGS :=
ifeq ($(origin KUBECONFIG),command line)
DEMO_FLAGS += --kubeconfig $(KUBECONFIG)
endif
ifeq ($(origin REPOSITORY),command line)
DEMO_FLAGS += --repository $(REPOSITORY)
endif
ifeq ($(FULL),1)
DEMO_FLAGS += --full $(if $(PORTAL_PICTURES),--pictures $(PORTAL_PICTURES))
endif
ifeq ($(origin KEEP),command line)
DEMO_FLAGS += --keep
endif

$(TOOLS)/golangci-lint: tools.mk
	$(GO_INSTALL) github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	@touch $@

$(TOOLS)/helm: tools.mk
	$(GO_INSTALL) helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)
	@touch $@

# Modules whose go.mod excludes versions cannot be installed: their programs are
# built in the module's own folder. $(call build-in-module,MODULE@VERSION,PACKAGE)
define build-in-module
	@mkdir -p $(TOOLS)
	dir=$$(go mod download -json $(1) | sed -n 's/.*"Dir": "\(.*\)",/\1/p') && cp "$$dir/go.mod" $@.mod && cp "$$dir/go.sum" $@.sum && chmod u+w $@.mod $@.sum && \
		cd "$$dir" && go build -modfile=$@.mod -tags no_btrfs -ldflags "-s -w" -o $@ $(2) && rm $@.mod $@.sum
endef

$(TOOLS)/buildkitd: tools.mk
	$(call build-in-module,github.com/moby/buildkit@$(BUILDKIT_VERSION),./cmd/buildkitd)

$(TOOLS)/buildkitd $(TOOLS)/buildx: export GOEXPERIMENT =

$(TOOLS)/buildx: tools.mk
	$(call build-in-module,github.com/docker/buildx@$(BUILDX_VERSION),./cmd/buildx)

$(TOOLS)/trivy: tools.mk
	$(call build-in-module,github.com/aquasecurity/trivy@$(TRIVY_VERSION),./cmd/trivy)

# Five of six packages of cosign and act are in the product, too: with the product's versions
# they are compiled once. What they need beside is in no go.mod that is kept.
# $(call build-beside-the-product,PACKAGE,FLAGS of go mod edit if it needs any)
define build-beside-the-product
	@mkdir -p $(TOOLS) && cp go.mod $@.mod && cp go.sum $@.sum $(if $(2),&& go mod edit $(2) $@.mod)
	$(GO_BUILD) -mod=mod -modfile=$@.mod -o $@ $(1)
	@rm $@.mod $@.sum
endef

$(TOOLS)/cosign: go.mod
	$(call build-beside-the-product,github.com/sigstore/cosign/v2/cmd/cosign)

# It uses names that later versions of go-archive have no more.
$(TOOLS)/act: go.mod tools.mk
	$(call build-beside-the-product,github.com/nektos/act,-require=github.com/nektos/act@$(ACT_VERSION) -replace=github.com/moby/go-archive=github.com/moby/go-archive@v0.1.0)
