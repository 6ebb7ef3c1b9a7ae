# CI runs the same targets as a person. `make` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# uv only speeds up the installation: the hashed lock is installed with or without it. It compiles to bytecode as pip
# does: if Python writes none (PYTHONDONTWRITEBYTECODE), each import of TensorFlow takes twice as long.
UV := uv==0.13.9

# The extension in C, in place; it has no file where it cannot be built, and edgernn works without it.
BUILD_NATIVE := runtime/native/build_native.py
NATIVE := runtime/edgernn/_native.abi3.so

SAMPLES := runtime/edgernn/samples
# The last file that `demo` writes.
DEMO := runs/demo/result.json
# Browser for `make test-web` and `make test-report`.
CHROME ?= $(firstword $(foreach name,chromium chromium-browser google-chrome,$(shell command -v $(name))))
WEB := build/web
# Environment with other makers' tools, for `make bench`.
PEERS := build/peers
PEERS_IN := benchmarks/peers/requirements.in
EXAMPLES := $(addprefix example-,activity-recognition keyword-spotting predictive-maintenance)

.PHONY: help setup native demo wheel wheels examples $(EXAMPLES) sample test pytest test-install test-models test-post test-web test-report test-cpp test-c test-pi \
	test-native test-network fuzz lint format lock lock-peers docs bench bench-export bench-models bench-native bench-runtime bench-train bench-trust bench-pi readme compatibility support mutants \
	clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(READY) $(NATIVE) ## make .venv with the locked dependencies and edgernn, editable

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v < (3, 14) or sys.exit("edgernn needs Python 3.11 to 3.13, %s is %d.%d: make PYTHON=python3.13 ..." % (sys.executable, *v))'
	@echo "edgernn: installing 3.1 GB of packages into $(VENV), which takes some minutes; only this needs a network"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(UV) || echo "uv not installed; using pip, which is slower"
	@if [ -x $(BIN)/uv ]; then \
		VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --compile-bytecode --require-hashes -r requirements.lock && \
		VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e . ; \
	else \
		$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock && \
		$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e . ; \
	fi
	@$(BIN)/python $(BUILD_NATIVE) || echo "edgernn: the native kernels were not built, everything else works; the compiler's errors are above"
	@touch $@

native: $(READY) $(NATIVE) ## compile the kernels in C for this machine, into the package
	@ls $(NATIVE)

$(NATIVE): $(BUILD_NATIVE) $(wildcard runtime/native/*.[ch]) | $(READY)
	@$(BIN)/python $(BUILD_NATIVE)

demo: $(READY) $(NATIVE) ## train on real digits, export, prove, compare and report, in runs/demo/
	@echo "edgernn: training on real digits, then export, proof and comparison, about 90 seconds; all in runs/demo/"
	@$(BIN)/edgernn demo --out runs/demo

wheel: $(READY) ## build the wheel that a device installs, in dist/
	@rm -f dist/edgernn-*.whl
	@$(BIN)/python -m hatchling build --target wheel --directory dist >/dev/null
	@ls dist/edgernn-*.whl

wheels: wheel ## build that wheel and those with native kernels, one for each kind of Linux machine, in dist/
	@for platform in $$($(BIN)/python $(BUILD_NATIVE) platforms); do \
		EDGERNN_WHEEL_PLATFORM=$$platform $(BIN)/python -m hatchling build --target wheel --directory dist >/dev/null \
			|| exit 1; \
	done
	@ls dist/edgernn-*-abi3-*.whl

examples: $(EXAMPLES) ## take an LSTM, a GRU and stacked GRUs from data to a proven file; README=1 writes their tables

$(EXAMPLES): example-%: $(READY)
	$(BIN)/python examples/$*/run.py $(if $(README),--write-readme)

# Training differs in bits between machines, and so does the artifact. The kernel probes come first, because the
# artifact's card contains their digest. With other probes, the golden digests of older exports no longer apply.
sample: $(READY) ## make the artifact, the digits and the kernel probes of the wheel again
	$(BIN)/python -m edgernn_export.formats.tflite.kernel_probes
	$(BIN)/edgernn train --data sample --recipe robust --seed 0 --out runs/sample --overwrite
	$(BIN)/edgernn export runs/sample --to tflite --quantize int8 --layout unrolled --out $(SAMPLES) --overwrite
	$(BIN)/python -m edgernn.samples.drawing

# Side by side, because lint occupies one processor.
test: $(READY) ## run lint, types and import rules, and the tests in two processes
	@$(MAKE) --no-print-directory -j2 lint pytest

# worksteal: a process without work takes over half of the other's tests. They write bytecode even if Python is told
# not to: otherwise pytest rewrites every assertion at each start, and each child process compiles edgernn.
pytest: $(READY) $(NATIVE)
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest -n 2 --dist worksteal

test-install: $(READY) ## install the wheel on a device without TensorFlow and test it there; needs a package index
	$(BIN)/pytest -q tests/install

test-models: $(READY) ## compare every artifact of N=160 generated models with Keras
	EDGERNN_MODELS=$(or $(N),160) $(BIN)/pytest -q tests/models

test-post: $(READY) ## run every cell of the notebook examples/post on the bundled digits
	$(BIN)/pytest -q tests/post

docs: $(READY) ## build the pages of docs/ and of the API in build/docs/ and check them; a warning is an error
	$(BIN)/pytest -q tests/site
	@echo build/docs/index.html

test-web: $(READY) $(WEB)/.ready ## compare the web page of docs/ in headless Chromium with edgernn; RUN=DIR of .onnx files
	@test -n "$(CHROME)" || { echo "no Chromium found: apt-get install chromium, or make test-web CHROME=/its/path"; exit 1; }
	CHROME="$(CHROME)" RUN="$(RUN)" $(BIN)/pytest -q tests/web

test-report: $(READY) ## test the HTML report in a browser: loading, sorting, phone width, contrast in dark mode
	@test -n "$(CHROME)" || { echo "no Chromium found: apt-get install chromium, or make test-report CHROME=/its/path"; exit 1; }
	CHROME="$(CHROME)" $(BIN)/pytest -q tests/web/test_report.py

$(WEB)/.ready: tests/web/package.json tests/web/package-lock.json
	@command -v npm >/dev/null || { echo "no npm found: install Node.js, https://nodejs.org"; exit 1; }
	mkdir -p $(WEB)
	cp tests/web/package.json tests/web/package-lock.json $(WEB)
	npm ci --prefix $(WEB) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

test-cpp: $(READY) ## compare the C++ program of docs/ with edgernn; FLAGS="…" for LiteRT's SDK; RUN=DIR
	@test -n "$(FLAGS)" || { echo 'FLAGS is missing: pass the options that compile and link with LiteRT, FLAGS="-I… …/libLiteRt.so"'; exit 1; }
	FLAGS="$(FLAGS)" RUN="$(RUN)" $(BIN)/pytest -q tests/cpp

test-c: $(READY) ## compare generated C on Cortex-M3, ARMv6, AArch64, RISC-V under QEMU with this machine
	@for program in clang arm-none-eabi-gcc qemu-system-arm qemu-arm; do command -v $$program >/dev/null \
		|| { echo "no $$program found: apt-get install clang gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm qemu-user"; exit 1; }; done
	$(BIN)/pytest -q tests/microcontroller

# Needs root's rights, because it enters other systems.
test-pi: $(READY) ## test every artifact and command on Raspberry Pi OS under QEMU; needs root; RUN=DIR, DOCS=1
	$(BIN)/python -m benchmarks pi-roots --check
	@test -z "$(RUN)" || test -f "$(RUN)/samples.npz" || { echo "RUN=$(RUN): not a run folder, samples.npz is missing"; exit 1; }
	$(if $(RUN),,test -f $(DEMO) || $(MAKE) demo)
	$(BIN)/python -m benchmarks pi-roots
	RUN="$(RUN)" $(BIN)/pytest -q tests/pi
	$(if $(DOCS),$(BIN)/python -m benchmarks pi-page build/raspberry-pi.json)

test-native: $(READY) ## compare bits: kernels of every machine under QEMU, programs of cells of 1 to 256 units with LiteRT
	@for program in qemu-aarch64 qemu-arm; do \
		command -v $$program >/dev/null || { echo "no $$program found: apt-get install qemu-user"; exit 1; }; \
	done
	$(BIN)/pytest -q tests/native

fuzz: $(READY) ## damage files and plans of the native backend under sanitizers; SECONDS=600, MUTANTS=20000, FILES=DIR
	PYTHONPATH=tests:runtime/native $(BIN)/python tests/native/fuzz.py build/fuzz --seconds $(or $(SECONDS),600) \
		--mutants $(or $(MUTANTS),20000) $(if $(FILES),--files $(FILES))

test-network: $(READY) ## run every command and backend under strace: no network, no files outside the given folders
	@command -v strace >/dev/null || { echo "no strace found: apt-get install strace"; exit 1; }
	$(BIN)/pytest -q tests/network

lint: $(READY) ## check formatting, lint, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## format the code and apply ruff's fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(READY) ## resolve the dependencies again into requirements.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--extra all --group dev --group docs --upgrade pyproject.toml --output-file requirements.lock

lock-peers: $(READY) ## resolve the other tools of `make bench` again into benchmarks/peers/requirements.txt
	$(BIN)/uv pip compile --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
		--constraints requirements.lock --overrides benchmarks/peers/overrides.txt $(PEERS_IN) \
		--output-file $(PEERS_IN:.in=.txt)

# emx-onnx-cgen requires one version of NumPy for each Python; only that for 3.11 fits the other tools.
$(PEERS)/.ready: requirements.lock pyproject.toml $(PEERS_IN:.in=.txt) | $(READY)
	@$(BIN)/python -c 'import sys; sys.version_info[:2] == (3, 11) or sys.exit("the other tools are pinned for Python 3.11: make clean, make PYTHON=python3.11 bench")'
	@command -v gcc >/dev/null || { echo "no gcc found, which compiles the C of emx-onnx-cgen: apt-get install gcc"; exit 1; }
	$(BIN)/python -m venv --clear $(PEERS)
	for file in requirements.lock $(PEERS_IN:.in=.txt); do \
		if [ -x $(BIN)/uv ]; then \
			VIRTUAL_ENV=$(PEERS) $(BIN)/uv pip install --quiet --no-deps --require-hashes -r $$file || exit 1; \
		else \
			$(PEERS)/bin/python -m pip install --quiet --no-deps --require-hashes -r $$file || exit 1; \
		fi; \
	done
	$(PEERS)/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

bench: $(PEERS)/.ready ## measure edgernn, other tools and the growth of cost, for docs/peers.md; RUNS=DIR, JSON=FILE, ARGS="…"
	$(PEERS)/bin/python -m benchmarks peers $(if $(DATA),--data $(DATA)) $(if $(RUNS),--runs $(RUNS)) \
		$(if $(JSON),--json $(JSON)) $(ARGS)

BARS = $(BIN)/python -m benchmarks bars $(if $(DATA),--data $(DATA)) $(if $(RUNS),--runs $(RUNS)) \
	$(if $(JSON),--json $(JSON))

bench-export: $(READY) ## measure every check of the digits' model beside other tools; DATA=DIR or RUNS=DIR, JSON=FILE
	$(BARS) --only robust --seeds 0,1,2

bench-models: $(READY) ## measure the same for GRU, LSTM, stacks and long sequences; DATA=DIR, RUNS=DIR, JSON=FILE
	$(BARS) --only gru64 --only lstm64 --only rnn32x2 --only sensors-gru32x2

bench-native: $(PEERS)/.ready $(NATIVE) ## measure the native kernels beside LiteRT and other tools; RUNS=DIR, JSON=FILE, ARGS="…"
	$(PEERS)/bin/python -m benchmarks native $(if $(DATA),--data $(DATA)) $(if $(RUNS),--runs $(RUNS)) \
		$(if $(JSON),--json $(JSON)) $(ARGS)

bench-runtime: $(READY) ## measure the runtime beside the bare backends, and long runs; RUN=DIR with artifacts, JSON=FILE
	$(BIN)/python -m benchmarks runtime $(or $(RUN),runs/demo) $(if $(JSON),--json $(JSON))

bench-train: $(READY) ## measure training beside plain Keras, the growth of its cost, and kills; DATA=DIR, JSON=FILE, ARGS="…"
	$(BIN)/python -m benchmarks training $(if $(DATA),--data $(DATA)) $(if $(JSON),--json $(JSON)) $(ARGS)

bench-trust: $(READY) ## measure how reliable comparisons are: an artifact with itself, N=200 times; ARTIFACT=FILE, JSON=FILE
	$(BIN)/python -m benchmarks trust $(or $(ARTIFACT),runs/demo/digits-int8.tflite) --comparisons $(or $(N),200) \
		$(if $(JSON),--json $(JSON))

bench-pi: $(READY) ## count instructions per inference on a Raspberry Pi under QEMU; needs root; DOCS=1, JSON=FILE
	$(BIN)/python -m benchmarks pi-roots --check
	test -f $(DEMO) || $(MAKE) demo
	$(BIN)/python -m benchmarks pi-roots
	$(BIN)/python -m benchmarks pi-count runs $(if $(JSON),--json $(JSON)) $(if $(DOCS),--docs)

# Every figure and picture from one run; RESULT writes README.md again from its file, without measuring.
readme: $(READY) ## measure and write the figures of README.md, its picture and the examples, on a quiet machine; RESULT=FILE
	$(if $(RESULT),,test -f $(DEMO) || $(MAKE) demo)
	$(if $(RESULT),,$(BIN)/edgernn compare runs/demo --peers --json build/readme.json)
	$(BIN)/python -m benchmarks readme $(or $(RESULT),build/readme.json)
	$(if $(RESULT),,$(MAKE) examples README=1)

compatibility: $(READY) ## run every artifact of RUN=DIR on every runtime, for docs/compatibility.md
	$(BIN)/python -m benchmarks compatibility $(or $(RUN),runs/demo)

support: $(READY) ## test what works in which format on N=160 models, for docs/support.md
	$(BIN)/python -m benchmarks support $(or $(N),160)

mutants: $(READY) ## damage every artifact of RUN=DIR N=3000 times, and N times with a renewed digest; ARTIFACTS=DIR, JSON=FILE
	$(BIN)/python -m benchmarks mutants $(or $(RUN),runs/demo) --count $(or $(N),3000) \
		$(if $(ARTIFACTS),--artifacts $(ARTIFACTS)) $(if $(JSON),--json $(JSON))
	$(BIN)/python -m benchmarks weights $(or $(ARTIFACTS),$(RUN),runs/demo) --samples $(or $(RUN),runs/demo)

clean: ## delete the virtual environment and everything generated
	rm -rf $(NATIVE) $(VENV) build dist runs .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
