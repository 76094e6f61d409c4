# Targets: run and test are the two commands of the README; the rest is for
# those who work on the code. HACKING.md says when to use which.
GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# Where nothing is called often, code that is not inlined makes the program smaller.
SELDOM      := $(addprefix nix2gpu/,catalog compose container control/... definition deploy dotenv gpu image image/daemon image/inspect image/registry image/sbom image/source \
	internal/cli lock nix/flake packages provision rundir secret session wheel wheel/index) \
	$(addsuffix /...,$(addprefix github.com/,ProtonMail cloudflare docker goccy google jackc pelletier sirupsen spf13) filippo.io golang.org/x/text golang.org/x/crypto/acme golang.org/x/crypto/ssh) \
	archive/tar archive/zip crypto/tls crypto/x509 debug/dwarf debug/elf encoding/asn1 encoding/xml mime/... net/http/... regexp/syntax text/tabwriter text/template/... vendor/golang.org/x/net/...
GCFLAGS     := $(foreach p,$(SELDOM),-gcflags=$(p)=-l)
LDFLAGS     := -s -w -X nix2gpu/internal/cli.buildVersion=$(VERSION)

# go test, which fails as well when a test did not run and is not on the list.
GOTEST      := $(GO) run ./scripts/testgate scripts/skips.txt

# What "make mutate" looks at, and how: make mutate PACKAGES=project MUTATE='-seed 2'
PACKAGES    ?= project supervisor probe servicelog process stage nix/module catalog

.PHONY: all deps deps-all deps-bench build build-all run test check test-load test-upstream test-servers faults search soak mutate bench bench-image bench-boot bench-peers bench-nix bench-compare lint generate clean

all: build

# What the examples and tests run: real servers, and Nix as an oracle.
deps:
	@scripts/deps

deps-all: deps
	@scripts/deps all

deps-bench: deps-all
	@scripts/deps bench

build:
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath $(GCFLAGS) -ldflags '$(LDFLAGS)' -o bin/nix2gpu ./cmd/nix2gpu
	@ln -sf nix2gpu bin/process-compose

# The same for every platform that images are made for: "build --platform" finds
# these beside bin/nix2gpu.
build-all: build
	@for arch in amd64 arm64; do \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) build -trimpath $(GCFLAGS) -ldflags '$(LDFLAGS)' -o bin/nix2gpu-linux-$$arch ./cmd/nix2gpu || exit 1; \
	done

# The main job: a stack of real servers and small programs. Ctrl-C ends it. At
# a terminal it runs as a job of its own, so that Ctrl-C reaches it alone and
# make can report its exit code.
run: deps build
	@cd examples/microservices && bash -c 'if [ -t 0 ]; then set -m; ../../bin/nix2gpu up & fg >/dev/null; else exec ../../bin/nix2gpu up; fi'

# Every test: units and laws under the race detector, then the real binary with real servers.
# The limit is for a package: one that hangs must say where before CI ends all.
test: deps-all build
	$(GOTEST) -race -timeout 45m ./...

check: deps-all build
	@unformatted=$$(gofmt -l . | grep -v testdata || true); if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GOTEST) -race -timeout 45m ./...

# The tests that ever failed for lack of time, 20 times, beside 20 busy loops.
test-load: deps build
	scripts/test-load

# Checks what others wrote for services-flake and nix2gpu, and runs nixpkgs' tests of its lib,
# in copies that you fetched, and counts what passes: make test-upstream DIR=../upstream
test-upstream: build
	$(GO) run ./scripts/upstream '$(DIR)'

# The life of servers that no package has, built by Go from scripts/servers/go.mod: ten minutes
# the first time, and 74 MB of bin/servers.
test-servers: build
	cd scripts/servers && CGO_ENABLED=0 $(GO) build -trimpath -o ../../bin/servers/jaeger-all-in-one github.com/jaegertracing/jaeger/cmd/all-in-one
	$(GO) test -count 1 -tags servers -run TestServersOfGoLive -v ./catalog

# Makes every fault of docs/explanation/faults.md, more often than "make test" does, and
# prints what came of each: make faults ROWS='R1 R9'. With KEEP=FILE it goes on where it
# was ended: what has passed by that file is not made again.
faults: deps-all build
	$(GO) run ./scripts/faults $(if $(KEEP),-keep $(KEEP)) $(ROWS)

# Visits all states of 1200 projects of three services, on all processors. With KEEP=FILE it
# goes on where it was ended: the projects in that file are not searched again.
search:
	GOGC=800 NIX2GPU_SEARCH=all NIX2GPU_SEARCHED='$(abspath $(KEEP))' $(GO) test -count 1 -timeout 24h -run 'TestSearch$$' -v ./supervisor | grep -vE '^=== (RUN|PAUSE|CONT|NAME)'

# A day compressed to 20 minutes: restarts, reloads, rotated logs, schedules, followers; then
# the slopes of memory, descriptors, goroutines, threads and zombies: make soak SOAK=2h
SOAK ?= 20m
soak: build
	$(GO) test -count 1 -timeout 0 -run 'TestSoak$$' -v ./internal/faults -soak $(SOAK)

# Changes the code in small ways and wants a test to notice each (hours).
mutate: deps
	$(GO) run ./scripts/mutate $(MUTATE) $(PACKAGES)

# Times, side by side with the same work done by hand. Nothing here can fail on a slow
# machine. All of it takes an hour; bench-image and bench-boot are the parts about images.
bench: deps build bench-image bench-boot
	$(GO) test -run '^$$' -bench . -benchmem $$($(GO) list ./... | grep -vE '/(examples|lock|image/registry)$$')
	$(GO) test -run '^$$' -bench 'Microservices|ServerChain|Ready|Chain|Sleepers|Idle|Restart|Ps|Output|Version|Program' -benchtime 5x -timeout 40m ./examples

# What an image costs to make, to make again and to push, and what other tools take for
# the same; then the index of packages. It downloads 250 MB.
bench-image: deps-bench build
	$(GO) test -run '^$$' -bench 'BenchmarkBuild|Rebuild|Shared|Beside' -benchtime 3x -timeout 60m ./examples
	$(GO) test -run '^$$' -bench 'Index|Locked' -benchtime 5x -timeout 20m ./lock
	$(GO) test -run '^$$' -bench PushAgain ./image/registry

# What a container costs from its start on, in a docker engine of its own.
bench-boot: deps-all build
	$(GO) test -run '^$$' -bench Boot -benchtime 5x -timeout 20m ./examples

# This supervisor, others and what the machine can do at all, side by side in one run:
# bench/peers/README.md. A quarter of an hour.
bench-peers: deps-bench build
	PROCESS_COMPOSE='$(PROCESS_COMPOSE)' $(GO) run ./bench/peers $(PEERS)

# Programs in the language, beside Nix: make bench-nix LIB=../nixpkgs/lib
# Those that load nixpkgs' lib need a copy of it, and are left out without one.
bench-nix: deps build
	$(GO) run ./bench/nix -lib '$(if $(LIB),$(abspath $(LIB)))' $(BENCHNIX)

# This program, beside itself at another commit: make bench-compare COMMIT=v0.1.0
bench-compare: deps build
	scripts/bench-compare $(COMMIT)

lint:
	golangci-lint run ./...

# Reference pages and other files made from the code; a test fails when they are stale.
generate:
	$(GO) generate ./...

clean:
	rm -rf bin
