# The one vocabulary of tasks: people and CI call these.
#
#   make test      everything: format, lints, licences, tests, real proxies, a disk that fills, published clients
#                  (installs what is missing)
#   make quick     what Rust alone can check
#   make simulate  SEEDS=100000 runs of the simulation, in a release build; FROM=n begins at another seed
#   make threads   TIMES=100 as many orders of what threads share (once in make test)
#   make fuzz      MINUTES=60 of all fuzz targets side by side (one in make test)
#   make bench     the figures of docs/performance.md; writes those of 'madang drive load' into it. 13 minutes
#                  in which nothing else should run, of which the build is not a part
#   make scenarios plays the quick scenarios of 'madang drive', each against a gateway of its own, and leaves
#                  target/scenarios/NAME.{json,html,xml}; all are played, and it fails with the names of those that did
#   make fmt       format the code

SHELL := /bin/bash
CLIENTS := tests/clients
VIEWERS := benches/viewers
VENV := $(CLIENTS)/.venv
TOOLS := .tools
DENY := $(TOOLS)/bin/cargo-deny
DENY_VERSION := 0.20.2

# Programs that the tests need beside Rust and Node, and the Debian packages that bring them.
PACKAGES := build-essential ca-certificates haproxy nginx-light python3 python3-venv util-linux

.PHONY: test quick simulate threads fuzz bench scenarios fmt lint deny clients system

test: system lint deny $(VENV)/installed $(CLIENTS)/node_modules/.package-lock.json
	cargo test --locked
	cargo test --locked --test it -- --ignored
	$(MAKE) --no-print-directory threads
	$(MAKE) --no-print-directory fuzz
	CLIENTS_PYTHON="$(CURDIR)/$(VENV)/bin/python" cargo test --locked --test clients -- --ignored --nocapture

quick: lint
	cargo test --locked

TIMES ?= 1

# A build of its own, in which a scheduler stands behind locks and waits. Clippy compiles it: its lints and the tests
# share one build. Types are larger in it than the real ones.
threads: export RUSTFLAGS := --cfg shuttle -D warnings -A clippy::large_enum_variant
threads: export RUSTC_WORKSPACE_WRAPPER := clippy-driver
threads:
	SHUTTLE_RUNS=$(TIMES) cargo test --locked --target-dir target/shuttle --test threads

# All targets side by side, that long; they share the cores.
MINUTES ?= 1

fuzz:
	BOLERO_RANDOM_ITERATIONS=1000000000 BOLERO_RANDOM_TEST_TIME_MS=$$(( $(MINUTES) * 60000 )) cargo test --locked --test fuzz -- --test-threads 16

lint:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

# Advisories need a database from the network: 'cargo deny check advisories' by hand, and before a release.
deny: $(DENY)
	$(DENY) --log-level error check licenses bans sources

$(DENY):
	cargo install --quiet --debug --locked --root $(TOOLS) cargo-deny@$(DENY_VERSION)

SEEDS ?= 20000
FROM ?= 0

simulate:
	SIMULATE_SEEDS=$(SEEDS) SIMULATE_FROM=$(FROM) cargo test --release --locked --test it -- --nocapture simulation::nothing

bench: $(VIEWERS)/node_modules/.package-lock.json
	cargo bench --locked --bench measure -- all
	cargo bench --locked --bench load -- table

SCENARIOS := steady join-wave goal raid moderator-storm reconnect-storm slow-readers churn
BUILT = $(or $(CARGO_TARGET_DIR),target)

scenarios:
	cargo build --release --locked
	@mkdir -p target/scenarios; failed=""; \
	for name in $(SCENARIOS); do \
		out=target/scenarios/$$name; \
		$(BUILT)/release/madang drive load $$name --with-server --quiet --json $$out.json --html $$out.html --junit $$out.xml \
			|| failed="$$failed $$name"; \
	done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed" >&2; exit 1; fi

fmt:
	cargo fmt

# Debian packages, as root; anyone else is told the one line and stops.
system:
	@missing=""; \
	command -v cc >/dev/null || missing="$$missing build-essential"; \
	command -v python3 >/dev/null || missing="$$missing python3"; \
	python3 -c 'import ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	PATH="$$PATH:/usr/sbin:/usr/local/sbin"; \
	command -v nginx >/dev/null || missing="$$missing nginx-light"; \
	command -v haproxy >/dev/null || missing="$$missing haproxy"; \
	command -v unshare >/dev/null || missing="$$missing util-linux"; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ]; then \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(PACKAGES); \
		else \
			echo "missing:$$missing. As root: apt-get install -y $(PACKAGES)" >&2; exit 1; \
		fi; \
	fi
	@command -v cargo >/dev/null || { echo "Rust is missing: install it with rustup (1.95 or newer)" >&2; exit 1; }
	@command -v npm >/dev/null || { echo "Node is missing: install Node 20 or newer, with npm" >&2; exit 1; }
	@node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)' || { echo "Node $$(node --version) is too old: 20 or newer" >&2; exit 1; }

$(VENV)/installed: $(CLIENTS)/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $(CLIENTS)/requirements.txt
	touch $@

# Where Node's packages are: those of the clients, and of the viewers that are measured.
%/node_modules/.package-lock.json: %/package-lock.json
	cd $* && npm ci --no-audit --no-fund
	touch $@
