# Two commands do everything: `make run` and `make test`. `make help` lists the rest.

CARGO ?= cargo

# The peers' benchmark compares with PyTorch in an environment of its own.
PEERS_ENV ?= target/peers-env

# Exported models are checked with onnxruntime, transformers and peft, and in a browser, in environments of their own.
EXPORT_ENV ?= target/export-env
EXPORT_MODULES ?= target/export-modules

.PHONY: help run build test test-slow check-decode check-export check-memory check-address torture lint sbom doc bench bench-peers bench-export cuda check-cuda gpu-kit gpu-check packages

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: build ## build, then open the workbench
	@target/release/aat-tui $(ARGS)

build: packages ## build the program: target/release/aat-tui
	@$(CARGO) build --release --locked --bin aat-tui

# nextest runs tests side by side and kills what hangs; plain cargo does where it is not installed.
test: packages ## every test that runs in minutes
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	    $(CARGO) nextest run --locked && $(CARGO) test --locked --doc --quiet; \
	else \
	    $(CARGO) test --locked; \
	fi

test-slow: packages ## the tests that train for longer
	@$(CARGO) test --locked --release -- --ignored

check-decode: packages ## some 200 sound files decoded here and by ffmpeg: lengths and samples compared
	@.ci/ffmpeg
	@$(CARGO) test --locked --quiet --test sounds -- --ignored --nocapture decoding_agrees_with_ffmpeg

check-export: packages ## exported models in onnxruntime, transformers and peft (from PyPI) and in headless Chromium (npm)
	@test -x $(EXPORT_ENV)/bin/python || python3 -m venv $(EXPORT_ENV)
	@$(EXPORT_ENV)/bin/python -c 'import onnxruntime, soundfile, torch, transformers, peft' 2>/dev/null || \
	    $(EXPORT_ENV)/bin/pip install --quiet numpy onnx onnxruntime soundfile scipy torch transformers peft
	@test -d $(EXPORT_MODULES)/node_modules/puppeteer-core || \
	    npm install --prefix $(EXPORT_MODULES) --no-audit --no-fund --silent onnxruntime-web puppeteer-core
	@command -v $${CHROMIUM:-chromium} >/dev/null || { echo "Chromium is missing: apt-get install chromium, or set CHROMIUM"; exit 1; }
	@AAT_TUI_EXPORT_PYTHON=$$(realpath -s $(EXPORT_ENV))/bin/python AAT_TUI_EXPORT_TRANSFORMERS=$$(realpath -s $(EXPORT_ENV))/bin/python \
	    AAT_TUI_EXPORT_MODULES=$$(realpath $(EXPORT_MODULES))/node_modules CHROMIUM=$$(command -v $${CHROMIUM:-chromium}) \
	    $(CARGO) test --locked --test export -- --nocapture

check-memory: packages ## the kernels, which have unsafe code, under valgrind's memcheck
	@command -v valgrind >/dev/null || { echo "valgrind is missing: apt-get install valgrind"; exit 1; }
	@host=$$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_'); \
	    env CARGO_TARGET_$${host}_RUNNER='valgrind --quiet --error-exitcode=9' \
	    $(CARGO) test --locked --lib -- --test-threads 1 ops::packed ops::mat ops::attention

check-address: packages ## the same tests under the address sanitizer, with this processor's own instructions (nightly Rust)
	@$(CARGO) +nightly --version >/dev/null 2>&1 || { echo "nightly Rust is missing: rustup toolchain install nightly"; exit 1; }
	@host=$$(rustc -vV | sed -n 's/^host: //p'); \
	    env RUSTFLAGS=-Zsanitizer=address $(CARGO) +nightly test --locked --lib --target $$host --target-dir target/address -- \
	    ops::packed ops::mat ops::attention

torture: packages ## kills, failing calls and power cuts at every change of the disk (strace); some 10 minutes
	@TORTURE=all $(CARGO) test --locked --test train -- --nocapture --test-threads 1 torture power_cuts

lint: packages ## what CI insists on: format, clippy, docs, licences, spelling
	@$(CARGO) fmt --check
	@$(CARGO) clippy --locked --all-targets --quiet -- -D warnings
	@RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items --quiet
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --log-level error check bans licenses sources; \
	    else echo "cargo-deny is not installed: skipped (cargo install cargo-deny)"; fi
	@if command -v typos >/dev/null 2>&1; then typos; else echo "typos is not installed: skipped (cargo install typos-cli)"; fi

sbom: ## every crate in the program with its version and licence, as a CycloneDX file: target/aat-tui.cdx.json
	@$(CARGO) cyclonedx --version >/dev/null 2>&1 || { echo "cargo-cyclonedx is not installed: cargo install cargo-cyclonedx"; exit 1; }
	@$(CARGO) cyclonedx --quiet --format json --spec-version 1.5 --no-build-deps --override-filename aat-tui.cdx
	@mkdir -p target && mv aat-tui.cdx.json target/aat-tui.cdx.json && echo target/aat-tui.cdx.json

doc: ## the library's documentation
	@$(CARGO) doc --locked --no-deps --open

bench: packages ## criterion benchmarks of the hot paths
	@$(CARGO) bench --locked

bench-peers: build ## the same work here and in PyTorch (from PyPI), alternated, with ratios
	@test -x $(PEERS_ENV)/bin/python || python3 -m venv $(PEERS_ENV)
	@$(PEERS_ENV)/bin/python -c 'import torch, torchaudio' 2>/dev/null || \
	    $(PEERS_ENV)/bin/pip install --quiet torch torchaudio numpy
	@$(PEERS_ENV)/bin/python -c 'import dasheng, einops' 2>/dev/null || \
	    $(PEERS_ENV)/bin/pip install --quiet --no-deps dasheng==0.0.9 einops
	@$(PEERS_ENV)/bin/python benches/peers/compare.py $(ARGS)

# Without sessions in ARGS it trains one of every method on three backbones first.
bench-export: build ## the table of docs/deploy.md: exported sessions in onnxruntime (from PyPI) beside the program
	@test -x $(EXPORT_ENV)/bin/python || python3 -m venv $(EXPORT_ENV)
	@$(EXPORT_ENV)/bin/python -c 'import onnx, onnxruntime, soundfile, scipy' 2>/dev/null || \
	    $(EXPORT_ENV)/bin/pip install --quiet numpy onnx onnxruntime soundfile scipy
	@$(EXPORT_ENV)/bin/python benches/export/table.py target/release/aat-tui $(or $(DATA),../shared/data) target/export-table $(ARGS)

cuda: packages ## the program with CUDA, no GPU needed to build it: target/cuda/release/aat-tui
	@.ci/cuda build

check-cuda: packages ## clippy over what the feature `cuda` compiles, without CUDA
	@.ci/cuda check

gpu-kit: cuda ## all that an NVIDIA machine needs to check the program: target/gpu-kit
	@.ci/cuda kit

gpu-check: gpu-kit ## on an NVIDIA machine with PyTorch: does it compute what the CPU does, how fast is it
	@python3 target/gpu-kit/gpu_check.py $(ARGS)

packages:
	@.ci/packages
