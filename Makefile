# The short face of the CMake presets; see docs/guide/get-started.md.
SHELL := /bin/bash
JOBS ?= $(shell nproc)

.PHONY: help demo build test test-real format format-check lint test-sanitizers fuzz bench soak guards crds clean

help:
	@echo 'make demo              install what is missing, build, start a fleet of simulated clusters, play a release'
	@echo 'make test              build and run unit, simulation and acceptance tests'
	@echo 'make test-real         the tests on a real Kubernetes, which is built from Go modules first'
	@echo 'make build             the two programs, in build/release/bin'
	@echo 'make format            format the sources        make format-check   say what is not formatted'
	@echo 'make lint              layers, wording, alerts and clang-tidy on changed files'
	@echo 'make test-sanitizers   ASan+UBSan and TSan       make fuzz           each fuzzer for a minute'
	@echo 'make bench             the benchmarks, beside the raw disk (NAMES="start scale": only these)'
	@echo 'make soak              simulation with more seeds (SEEDS=20000, in parts by FROM=1)'
	@echo 'make guards            each guard taken away in turn: does the simulation notice?'

demo:
	@tools/demo

build:
	@tools/setup --demo
	@cmake --preset release >/dev/null
	@cmake --build --preset release -- -j$(JOBS) aviary kubectl-amc

test:
	@tools/setup
	@cmake --preset dev >/dev/null
	@cmake --build --preset dev -- -j$(JOBS)
	@tools/run-tests build/dev

test-real:
	@tools/setup --real
	@cmake --preset dev >/dev/null
	@cmake --build --preset dev -- -j$(JOBS)
	@tools/real-tests build/dev

format:
	@git ls-files '*.h' '*.cc' ':!*/facts_data.cc' | xargs clang-format-19 -i

format-check:
	@git ls-files '*.h' '*.cc' ':!*/facts_data.cc' | xargs clang-format-19 --dry-run -Werror

lint:
	@tools/layers
	@tools/guards --check
	@tools/wording
	@tools/compat-links
	@tools/alerts
	@tools/tidy

test-sanitizers:
	@tools/sanitizers asan
	@tools/sanitizers tsan

fuzz:
	@tools/fuzz 60

bench:
	@tools/setup
	@cmake --preset bench >/dev/null
	@tools/bench build/bench $(NAMES)

soak:
	@cmake --preset dev >/dev/null
	@cmake --build --preset dev -- -j$(JOBS) aviary-sim
	@build/dev/bin/aviary-sim --from $(or $(FROM),1) --seeds $(or $(SEEDS),20000)
	@build/dev/bin/aviary-sim --without-hub --from $(or $(FROM),1) --seeds $(or $(SEEDS),20000)

guards:
	@tools/guards

crds:
	@cmake --preset dev >/dev/null
	@cmake --build --preset dev -- -j$(JOBS) aviary-generate
	@build/dev/bin/aviary-generate config

clean:
	@rm -rf build
