# make demo    pictures of the bundled recordings, from a base install (no torch)
# make test    the whole suite, from an install with everything
# make bench   what each stage costs on this machine: .benchmarks/bench.json, .md and .png
# make bench-ci        the gate: counts, instructions and ratios against benchmarks/baseline.json;
#                      BASE=CHECKOUT compares with another source tree by turns
# make bench-baseline  measures and rewrites benchmarks/baseline.json: look at its diff
# make bench-device    on a board: measures and writes a result to contribute, in benchmarks/results
# make clean   removes what the others made
#
# A Python of 3.11 or newer is looked for; name one with: make PYTHON=/path/to/python3.12 demo

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:

DEMO := .venv-demo
TEST := .venv-test
DEVICE := .venv-device
NEW_ENOUGH := import sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	"$$name" -c '$(NEW_ENOUGH)' 2>/dev/null && echo "$$name" && break; done)
PIP := -m pip --disable-pip-version-check install --quiet
BENCH := -q -o addopts= benchmarks --benchmark-only --benchmark-disable-gc --benchmark-min-rounds=30 \
	--benchmark-max-time=0.5 --benchmark-columns=min,median,rounds --benchmark-sort=name
PACKAGE := pyproject.toml README.md LICENSE NOTICE \
	$(shell find edge_s2i export firmware_bridge benchmarks -type f -not -path '*/__pycache__/*' 2>/dev/null)

.PHONY: demo test bench bench-ci bench-baseline bench-device clean python

demo:
	@start=$$SECONDS
	$(MAKE) --no-print-directory $(DEMO)/package.stamp
	$(DEMO)/bin/edge-s2i demo -o demo
	echo "installed: $$(du -sm $(DEMO) | cut -f1) MB in $(DEMO); time: $$((SECONDS - start)) s"

test: $(TEST)/package.stamp
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check .
	$(TEST)/bin/mypy
	OMP_NUM_THREADS=1 $(TEST)/bin/pytest -n 2 -m 'not real_time'
	OMP_NUM_THREADS=1 $(TEST)/bin/pytest -m real_time

bench: $(TEST)/package.stamp
	mkdir -p .benchmarks
	OMP_NUM_THREADS=1 $(TEST)/bin/pytest $(BENCH) --benchmark-json=.benchmarks/raw.json
	$(TEST)/bin/python -m benchmarks.report .benchmarks/raw.json --out .benchmarks/bench.json

bench-ci: $(TEST)/package.stamp
	$(TEST)/bin/python -m benchmarks.ci check $(if $(BASE),--base "$(BASE)") $(if $(SUMMARY),--summary "$(SUMMARY)")

bench-baseline: $(TEST)/package.stamp
	$(TEST)/bin/python -m benchmarks.ci baseline

# A board needs no torch: the runtime, and LiteRT where it has a wheel.
bench-device: python
	@[ -x $(DEVICE)/bin/python ] || "$(PYTHON)" -m venv $(DEVICE)
	$(DEVICE)/bin/python $(PIP) --editable . 'pytest>=8' 'pytest-benchmark>=5'
	$(DEVICE)/bin/python $(PIP) ai-edge-litert || echo "no ai-edge-litert here: its stages will be absent"
	mkdir -p .benchmarks
	OMP_NUM_THREADS=1 $(DEVICE)/bin/pytest $(BENCH) --benchmark-json=.benchmarks/raw.json
	$(DEVICE)/bin/python -m benchmarks.report .benchmarks/raw.json --contribute


clean:
	rm -rf $(DEMO) $(TEST) $(DEVICE) build dist *.egg-info demo .pytest_cache .mypy_cache .ruff_cache .benchmarks

python:
	@if [ -z "$(PYTHON)" ] || ! "$(PYTHON)" -c '$(NEW_ENOUGH)' 2>/dev/null; then
		echo "Python 3.11 or newer with its venv module is needed, and $(if $(PYTHON),$(PYTHON) is not that,none was found);" \
			"install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2
		exit 1
	fi

# The dependencies and the package are apart, so that an edited source does not install everything again.
$(DEMO)/package.stamp: $(PACKAGE) | python
	@[ -x $(DEMO)/bin/python ] || "$(PYTHON)" -m venv $(DEMO)
	rm -rf build *.egg-info  # setuptools would install files that were deleted since
	$(DEMO)/bin/python $(PIP) .
	$(DEMO)/bin/python $(PIP) --no-deps --force-reinstall .
	rm -rf build *.egg-info
	touch $@

# torch comes first and pinned: an unpinned one brings several GB of CUDA libraries. torchaudio comes without its
# dependencies, because its newest wheel asks for another torch than the one it works with.
$(TEST)/package.stamp: pyproject.toml constraints.txt | python
	@[ -x $(TEST)/bin/python ] || "$(PYTHON)" -m venv $(TEST)
	$(TEST)/bin/python $(PIP) --constraint constraints.txt torch
	$(TEST)/bin/python $(PIP) --constraint constraints.txt --no-deps torchaudio
	$(TEST)/bin/python $(PIP) --constraint constraints.txt --editable '.[train,export,tflite,dev]'
	touch $@
