# Frontdesk's tasks. `make` alone lists them.

CARGO ?= cargo
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
FRONTDESK := $(TARGET)/debug/frontdesk
PLUGINS := $(patsubst %/plugin.toml,%,$(wildcard plugins/*/plugin.toml))
COMPONENTS := $(TARGET)/plugins/.built
# What goes into them, and what puts them together.
PLUGIN_SOURCES := $(shell find plugins plugin-sdk host/src/cli host/src/plugins host/Cargo.toml .cargo Cargo.toml Cargo.lock -type f ! -name '*.md')

# Where `make run` keeps its data, and where it listens.
DATA ?= data
LISTEN ?= 127.0.0.1:8080

# Which packages' needs decide with what features dependencies are built. The tests ask for the whole workspace, so that the
# service is built from what they are built from, once.
SELECT := -p frontdesk
test: SELECT := --workspace

# Whoever reads the documentation has the source: links to what is private lead somewhere.
DOC_LINTS := -D warnings -A rustdoc::private_intra_doc_links

.PHONY: help run build plugins test check bench fmt

help: ## This list
	@echo 'make TASK, where TASK is one of'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1 \2/p' $(MAKEFILE_LIST) | awk '{ task = $$1; $$1 = ""; printf "  %-8s%s\n", task, $$0 }'
	@echo
	@echo 'Needs Rust 1.95. What else a task needs it names, and installs what it can: Rust'"'"'s wasm32 target (rustup, or'
	@echo 'Debian'"'"'s packages); for the tests aiosmtpd and openapi-spec-validator into target/test-tools, and PostgreSQL.'

run: build ## Serves on LISTEN=127.0.0.1:8080 with its data in DATA=data; the first time it prints your link
	$(FRONTDESK) serve --listen $(LISTEN) --data $(DATA)

build: $(COMPONENTS) ## The service as target/debug/frontdesk, with its plugins inside
	$(CARGO) build $(SELECT) --bin frontdesk

plugins: $(COMPONENTS) ## The plugins that ship with it, as WebAssembly components in target/plugins

# The service builds its plugins, and then is built with them inside: anew only when something that goes into them changed.
$(COMPONENTS): $(PLUGIN_SOURCES)
	sh plugins/toolchain.sh
	$(CARGO) build $(SELECT) --bin frontdesk
	$(FRONTDESK) plugin build $(PLUGINS) --out $(TARGET)/plugins
	touch $@

test: build ## Every test, on SQLite and PostgreSQL, over real HTTP and SMTP (minutes)
	sh tests/services.sh $(CARGO) test --workspace --no-fail-fast

check: ## Formatting, lints, documentation, scripts; builds nothing that runs
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='$(DOC_LINTS)' $(CARGO) doc --no-deps --workspace
	sh .ci/scripts

bench: build ## What start, mail, plugins, memory, logins and reads cost on this machine (minutes)
	$(CARGO) build --release --workspace --bin frontdesk
	sh tests/services.sh $(CARGO) bench --workspace --bench figures

fmt: ## Formats the Rust code
	$(CARGO) fmt --all
