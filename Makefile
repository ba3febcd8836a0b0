# Everything a person does with this repository. `make help` lists it.
#
# A machine needs Python >= 3.10, a C++17 compiler, make and a package index; cmake and ninja come by pip into
# $(VENV). Stamp files in $(VENV) remember what was done, so a second run costs seconds.

PYTHON ?= python3
VENV ?= .venv
CMAKE_ARGS ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

BUILD_REQUIRES = $(shell sed -n 's/^requires = \[\(.*\)\]/\1/p' pyproject.toml | tr -d ',') "cmake>=3.26" ninja
NATIVE_SOURCES := $(shell find CMakeLists.txt cmake csrc pyext -type f 2>/dev/null)
CXX_FORMATTED := $(shell find csrc pyext tests -name '*.h' -o -name '*.cc' -o -name '*.cpp' -o -name '*.inc' 2>/dev/null)

# CMake reads these from the environment.
export CMAKE_ARGS
ifneq ($(shell command -v ccache),)
export CMAKE_CXX_COMPILER_LAUNCHER ?= ccache
export CMAKE_C_COMPILER_LAUNCHER ?= ccache
endif

.DEFAULT_GOAL := help
.PHONY: help build demo test dev peers lint format tidy types stubs stubs-check sanitize selftest arm64 bench bench-full clean
.SECONDARY:

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

# ---- set-up ---------------------------------------------------------------------------------------------------

$(VENV)/.stamp-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "fastnn needs Python 3.10 or newer")'
	@test -x $(BIN)/python || { echo "making a virtual environment in $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing the build tools"
	@$(PIP) install $(BUILD_REQUIRES)
	@touch $@

$(VENV)/.stamp-build: $(VENV)/.stamp-python pyproject.toml $(NATIVE_SOURCES)
	@echo "building fastnn (a first build takes a few minutes)"
	@$(PIP) install --no-build-isolation --editable .
	@touch $@

$(VENV)/.stamp-extra-%: pyproject.toml | $(VENV)/.stamp-build
	@echo "installing the packages of the extra '$*'"
	@$(PIP) install 'fastnn[$*]'
	@touch $@

build: $(VENV)/.stamp-build  ## build the package and install it, editable, into .venv

# ---- for everybody --------------------------------------------------------------------------------------------

demo: $(VENV)/.stamp-build $(VENV)/.stamp-extra-demo  ## train a convolutional net on handwritten digits
	$(BIN)/fastnn train --data digits --net convnet --out runs/demo --overwrite

test: $(VENV)/.stamp-build $(VENV)/.stamp-extra-test  ## run all tests (PYTEST_ARGS='-k conv' for some)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# ---- for people who work on it --------------------------------------------------------------------------------

dev: $(VENV)/.stamp-build $(VENV)/.stamp-extra-dev  ## install every tool that a change needs

peers: $(VENV)/.stamp-build $(VENV)/.stamp-extra-peers  ## install the frameworks that tests and benchmarks compare with

lint: dev  ## ruff, clang-format and the import rules
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	@echo "clang-format --dry-run ($(words $(CXX_FORMATTED)) files)"
	@$(BIN)/clang-format --dry-run --Werror $(CXX_FORMATTED)
	PYTHONPATH=python $(BIN)/lint-imports --no-cache

format: dev  ## rewrite the sources as `make lint` wants them
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .
	$(BIN)/clang-format -i $(CXX_FORMATTED)

# One mark a file, so that a change costs what it touches; `make -j tidy` uses all cores. Other instruction sets compile
# the same kernels, and parallel_openmp.cc needs the compiler's own header.
TIDY_ISA := $(if $(filter x86_64 amd64,$(shell uname -m)),avx512,neon)
TIDY_LEFT_OUT := $(foreach isa,$(filter-out $(TIDY_ISA),scalar avx2 avx512 neon),%_$(isa).cc) %/parallel_openmp.cc
TIDY_SOURCES := $(filter-out $(TIDY_LEFT_OUT),$(filter %.cc,$(NATIVE_SOURCES)))
TIDY_HEADERS := $(filter %.h %.inc,$(NATIVE_SOURCES))

build/tidy/compile_commands.json: CMakeLists.txt cmake/FastnnKernels.cmake | $(VENV)/.stamp-extra-dev
	@$(BIN)/python -m cmake -S . -B $(@D) -G Ninja -DFASTNN_PYTHON=OFF -DCMAKE_EXPORT_COMPILE_COMMANDS=ON >/dev/null
	@touch $@

build/tidy/%.ok: % $(TIDY_HEADERS) .clang-tidy build/tidy/compile_commands.json
	@echo "clang-tidy $<"
	@$(BIN)/clang-tidy -p build/tidy --quiet $< 2>/dev/null
	@mkdir -p $(@D) && touch $@

tidy: dev $(TIDY_SOURCES:%=build/tidy/%.ok)  ## clang-tidy, on what has changed since the last time

types: dev  ## mypy --strict
	$(BIN)/python -m mypy

build/stubs/fastnn/_core.pyi: $(VENV)/.stamp-build $(VENV)/.stamp-extra-dev
	@rm -rf build/stubs && mkdir -p build/stubs
	@$(BIN)/python -m pybind11_stubgen --exit-code --output-dir build/stubs fastnn._core
	@$(BIN)/python -m ruff check --silent --fix --exit-zero $@ && $(BIN)/python -m ruff format --quiet $@

stubs: build/stubs/fastnn/_core.pyi  ## write python/fastnn/_core.pyi anew
	cp $< python/fastnn/_core.pyi

stubs-check: build/stubs/fastnn/_core.pyi  ## fail if python/fastnn/_core.pyi has drifted from the bindings
	diff -u python/fastnn/_core.pyi $<

# A plain install into a second environment, which borrows the packages of the first one.
SANITIZE_VENV := $(VENV)-sanitize
SANITIZE_TESTS ?= tests/ops tests/engine -k 'not torch'
SANITIZE_LIBS = $(shell $(CXX) -print-file-name=libasan.so):$(shell $(CXX) -print-file-name=libubsan.so)

sanitize: $(VENV)/.stamp-build $(VENV)/.stamp-extra-test  ## run the operations' tests under ASan and UBSan
	@$(BIN)/python -m venv --without-pip $(SANITIZE_VENV)
	@$(BIN)/python -c 'import sys; print(*(p for p in sys.path if p.endswith("site-packages")), sep="\n")' \
	  > $$($(SANITIZE_VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/borrowed.pth
	@echo "building fastnn with the sanitizers"
	@$(SANITIZE_VENV)/bin/python -m pip --quiet install --no-build-isolation --no-deps --force-reinstall \
	  -C build-dir=build/sanitize -C cmake.define.FASTNN_SANITIZE=ON -C install.strip=false .
	LD_PRELOAD=$(SANITIZE_LIBS) ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 \
	  UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 $(SANITIZE_VENV)/bin/python -m pytest \
	  -p no:cacheprovider $(SANITIZE_TESTS) $(PYTEST_ARGS)

# The engine without Python: every instruction set's kernels against plain loops, and the run time.
define run_selftest
	@$(BIN)/python -m cmake -S . -B $(1) -G Ninja -DFASTNN_PYTHON=OFF $(2)
	@$(BIN)/python -m cmake --build $(1)
	@cd $(1) && $(abspath $(BIN))/python -c 'import cmake; cmake.ctest()' --output-on-failure
endef

selftest: $(VENV)/.stamp-python  ## test the kernels and the run time from C++
	$(call run_selftest,build/selftest,)

# Needs a cross compiler and an emulator: on Debian, g++-aarch64-linux-gnu and qemu-user.
arm64: $(VENV)/.stamp-python  ## the same for arm64, under emulation
	$(call run_selftest,build/arm64,-DCMAKE_TOOLCHAIN_FILE=cmake/aarch64.cmake)

BENCH_READY := $(VENV)/.stamp-build $(VENV)/.stamp-extra-test $(VENV)/.stamp-extra-peers

bench: $(BENCH_READY)  ## time kernels and steps against PyTorch, 5 minutes (BENCH_ARGS='--only conv' for some)
	$(BIN)/python -m bench --quick --out runs/bench.json $(BENCH_ARGS)

bench-full: $(BENCH_READY)  ## everything, torch.compile too, an hour; writes docs/performance.md
	$(BIN)/python -m bench --full --out bench/results/full.json $(BENCH_ARGS)
	$(BIN)/python -m bench.compare bench/results/full.json --docs docs/performance.md

clean:  ## remove what was built (.venv stays)
	rm -rf build dist runs .pytest_cache .mypy_cache .ruff_cache .benchmarks .hypothesis $(SANITIZE_VENV)
	rm -f $(VENV)/.stamp-*
