# Two commands matter: `make demo` shows a picture, `make test` proves everything.
# `make help` lists the rest.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= /usr/bin/python3
TARGET ?= $(or $(CARGO_TARGET_DIR),target)
MEDIAMTX := $(TARGET)/mediamtx/mediamtx
WEB_SOURCES := $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -print 2>/dev/null)

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 20

.PHONY: demo
demo: build ## a moving picture and the address of its page; Ctrl-C ends everything
	@exec $(TARGET)/release/camera-service demo

.PHONY: build
build: setup-demo web mediamtx ## what `make demo` runs, and no more
	cargo build --release --locked --bin camera-service
	ln -f $(MEDIAMTX) $(TARGET)/release/mediamtx

.PHONY: mediamtx
mediamtx: ## the real MediaMTX, pinned, built from the Go module registry
	tools/mediamtx/build

.PHONY: web
web: web/dist/index.html ## the web client

web/node_modules: web/package.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

web/dist/index.html: web/node_modules $(WEB_SOURCES)
	cd web && npm run --silent build
	@touch $@

.PHONY: setup-demo setup-test
setup-demo:
	@tools/setup demo
setup-test:
	@tools/setup test

.PHONY: check
check: setup-test web mediamtx ## the fast loop for every save: format, lints, unit tests; no rig, no browser
	@tools/test check

.PHONY: test
test: setup-test build ## every test there is: unit, integration, browser, QEMU rig, aarch64
	@tools/test all

.PHONY: conformance
conformance: web mediamtx ## holds the service, or the one at CONFORMANCE_URL, against the contract of the wire
	MEDIAMTX=$(abspath $(MEDIAMTX)) cargo test --locked --test conformance -- --nocapture

.PHONY: rig
rig: setup-test ## builds the QEMU guest once
	cd hw-tests && $(PYTHON) -m rig build

.PHONY: cross
cross: web ## builds the aarch64 binary
	@tools/setup cross
	@tools/cross

.PHONY: bench
bench: setup-test build ## measures pictures, control plane and recordings; figures also land in target/bench/*.jsonl
	@tools/bench
	@tools/bench control --short
	@tools/bench recordings --short

.PHONY: bench-rig
bench-rig: setup-test build ## measures the hardware route in the QEMU guest, beside ffmpeg and ustreamer
	@tools/bench-rig

.PHONY: fuzz
fuzz: setup-test ## fuzzes every target for five minutes, on what was found before; docs/fuzzing.md
	tools/fuzz long

.PHONY: soak
soak: setup-test build ## the long campaigns: frames, faults, unplugs by the dozen, fuzzing; takes hours, wants an idle machine
	tools/test soak

.PHONY: soak-powercut
soak-powercut: setup-test build ## cuts the power N times (500) while two cameras record; some 20 s each
	N=$(or $(N),500) tools/test powercut

.PHONY: clean
clean: ## removes what was built
	cargo clean
	rm -rf web/dist web/node_modules
