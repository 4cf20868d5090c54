# make demo   sets everything up and runs the main job; writes demo-report/report.html
# make test   sets everything up and runs the tests
# make test-slow  kills, models, fuzzed messages, overload, soak, sanitizers: minutes each;
#            failing disks: an hour or two
# make image  the container of the server; needs docker
# make wheels  dist/: the source, a wheel for Linux, and one of Python alone
# make protos  dist/gleann-protos.zip, for clients in other languages
# make test-wheels  both, installed into environments of their own and tried
# make check  format, lint, types, import contracts, generated protos
# make test-cluster  builds, searches and selections on Ray, on this machine (400 MB)
# make cluster-demo  a build, searches and a selection on two workers; a minute
# make test-kernels  the torch engine and the Triton kernels, without a GPU (2 GB)
# make gpu-pack, gpu-run PART=A  what a GPU machine needs; one of three calls on it
# make docs   the documentation as a site, in build/docs/site
# make format, make clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
KERNELS := .venv-kernels
KERNEL_TESTS := PYTHONPATH=.ns OMP_NUM_THREADS=1 $(KERNELS)/bin/python -m pytest -q
HALVES := $(if $(filter 1,$(shell nproc 2>/dev/null)),1,2)
SERVED := tests/service tests/session tests/faults
OTHERS := tests/cluster
NATIVE := $(wildcard index/native/*/*.cpp index/native/*/*.hpp)
INPUTS := pyproject.toml setup.py .ns/gleann/__init__.py $(NATIVE)
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' .ns/gleann/__init__.py)

.PHONY: demo docs image wheels protos test-wheels test test-library test-served test-alone \
  test-slow test-kills test-models test-disk test-fuzz test-overload test-soak \
  test-sanitizers test-kernels kernels-compiled kernels-interpreted test-cluster \
  cluster-demo gpu-pack gpu-run check format clean python
.DELETE_ON_ERROR:

demo: $(VENV)/.demo
	$(BIN)/gleann demo --out demo-report --overwrite

# In two halves side by side, where there are two cores: each starts its own servers on
# free ports, in folders of its own, and prints its results when it ends. What is in
# SERVED is left out of the first half; what is in OTHERS has a lane of its own. Tests
# that measure seconds, CPU or memory are marked `alone`: they run when both halves have
# ended, by themselves. So every test is in one of the three.
test: $(VENV)/.test
	@echo "Testing in two halves; each prints its results when it ends (minutes)..."
	@failed=0; \
	$(MAKE) --no-print-directory --jobs $(HALVES) --output-sync --keep-going \
	  test-library test-served || failed=1; \
	echo "Testing what must run alone (minutes)..."; \
	$(MAKE) --no-print-directory test-alone || failed=1; \
	exit $$failed

test-library:
	$(BIN)/python -m pytest -m 'not alone' $(addprefix --ignore=,$(SERVED) $(OTHERS))

test-served:
	$(BIN)/python -m pytest -m 'not alone' -o cache_dir=.pytest_cache/served $(SERVED)

test-alone:
	$(BIN)/python -m pytest -m alone -o cache_dir=.pytest_cache/alone \
	  $(addprefix --ignore=,$(OTHERS))

test-slow: test-kills test-models test-disk test-fuzz test-overload test-soak test-sanitizers

# A served directory is killed 200 times at random, and 100 times under clients that go
# on over the kills; GLEANN_KILLS and GLEANN_SEED change how often and when.
test-kills: $(VENV)/.test
	$(BIN)/python -m pytest -m long -s tests/faults/kills

# Collections against a model: 300 times 50 changes, answers, snapshots and restarts.
test-models: $(VENV)/.test
	$(BIN)/python -m pytest -m long -s tests/property

# Each write, sync and rename of many changes fails in turn, in six ways: an hour or two.
test-disk: $(VENV)/.test
	$(BIN)/python -m pytest -m long -s tests/faults/disk

# 100,000 wrong requests of every method; GLEANN_FUZZ_MESSAGES changes how many.
test-fuzz: $(VENV)/.test
	GLEANN_FUZZ_MESSAGES=$${GLEANN_FUZZ_MESSAGES:-100000} $(BIN)/python -m pytest \
	  tests/faults/test_fuzz.py

# Five times the peak for a minute, without writes and with them. The machine must be
# idle: it is held to the figures that the service promises.
test-overload: $(VENV)/.test
	$(BIN)/python -m pytest -m long -s tests/faults/test_overload.py

# Everything that clients do at once, for 30 minutes; GLEANN_SOAK_MINUTES changes that.
test-soak: $(VENV)/.test
	$(BIN)/python -m pytest -m long -s tests/faults/test_soak.py

# The native kernels, built with AddressSanitizer and UndefinedBehaviorSanitizer, under
# their tests and forged index files; needs gcc.
test-sanitizers: $(VENV)/.test
	GLEANN_FUZZ_SECONDS=300 tests/slow/sanitizers.sh $(BIN)/python

# With Ray on this machine alone, started and stopped by the tests. Where Ray cannot be
# installed, `python -m pytest tests/cluster` skips them and says why.
test-cluster: $(VENV)/.cluster
	$(BIN)/python -m pytest -o cache_dir=.pytest_cache/cluster $(OTHERS)

cluster-demo: $(VENV)/.cluster
	$(BIN)/python -m bench.cluster.demo cluster-demo

# Kernels are compiled or interpreted, as an environment variable says when they are
# imported: so they are tested in two runs, side by side. Every shipped tile is compiled
# for sm_90; without -m 'not slow', at more dimensions and for more GPUs.
test-kernels: $(KERNELS)/.installed
	$(MAKE) --no-print-directory --jobs 2 --output-sync kernels-compiled \
	  kernels-interpreted

kernels-compiled:
	$(KERNEL_TESTS) -m 'not slow' tests/device/compiled

kernels-interpreted:
	TRITON_INTERPRET=1 $(KERNEL_TESTS) \
	  -W 'ignore:Conversion of an array with ndim:DeprecationWarning' \
	  tests/device/interpreted
	$(KERNEL_TESTS) -k torch tests/conformance \
	  tests/unit/selection/coreset/test_distance.py
	$(KERNEL_TESTS) --ignore tests/device/compiled tests/device tests/bench/gpu \
	  tests/unit/index/engines/device tests/unit/index/engines/test_device_absent.py \
	  tests/unit/selection/coreset/test_facility_location.py

# The version of the project is the tag of the image.
image:
	@command -v docker > /dev/null || { echo "make image needs docker; service/deploy/Dockerfile says what it runs"; exit 1; }
	docker build -f service/deploy/Dockerfile -t gleann:$(VERSION) .

# Another Python: make wheels PYTHON=python3.13; .ci/wheels says which are tested.
wheels: | python
	PYTHON=$(PYTHON) .ci/wheels

protos: $(VENV)/.test
	$(BIN)/python proto/archive.py dist/gleann-protos.zip

# In the environments that these tests make there are no other packages.
test-wheels: $(VENV)/.test wheels protos
	GLEANN_DIST=$(CURDIR)/dist $(BIN)/python -m pytest tests/packaging
	GLEANN_DIST=$(CURDIR)/dist $(BIN)/python -m pytest tests/docs/test_stopwatch.py -k language

gpu-pack:
	bench/gpu/pack.sh

gpu-run:
	PYTHON=$(PYTHON) bench/gpu/run.sh $(PART)

# Pages with what their scripts print, their figures and references; then HTML of them. A
# link or an anchor that leads nowhere fails.
docs: $(VENV)/.docs
	$(BIN)/python -m docs

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/clang-format --dry-run --Werror $(NATIVE)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python proto/generate.py --check
	$(BIN)/python proto/generate.py --lint
	$(BIN)/python proto/generate.py --breaking

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/clang-format -i $(NATIVE)

clean:
	rm -rf $(VENV) .venv-wheels $(KERNELS) build dist demo-report cluster-demo index/*.so

$(VENV)/.demo: $(VENV)/.python $(INPUTS)
	@echo "Installing gleann and what the demo needs into $(VENV) (a few minutes the first time)..."
	$(PIP) install -e '.[cpu,demo]'
	@touch $@

$(VENV)/.test: $(VENV)/.python $(INPUTS)
	@echo "Installing gleann and what the tests need into $(VENV) (a few minutes the first time)..."
	$(PIP) install -e '.[cpu,demo,test]'
	@touch $@

# The kernels are built already.
$(VENV)/.docs: $(VENV)/.test
	GLEANN_NATIVE=off $(PIP) install -e '.[docs]'
	@touch $@

$(VENV)/.cluster: $(VENV)/.test
	@echo "Installing Ray into $(VENV) (400 MB)..."
	GLEANN_NATIVE=off $(PIP) install -e '.[cluster]'
	@touch $@

# Its own environment: torch and triton take 2 GB that nothing else here needs, and the
# interpreter of triton 3.6 does not work with NumPy 2.4.
$(KERNELS)/.installed: | python
	@echo "Installing torch and triton into $(KERNELS)..."
	$(PYTHON) -m venv $(KERNELS)
	$(KERNELS)/bin/python -m pip --disable-pip-version-check --quiet install torch==2.13.0
	$(KERNELS)/bin/python -m pip --disable-pip-version-check --quiet install triton==3.6.0 \
	  'numpy>=1.26,<2.4' scipy scikit-learn threadpoolctl pytest pytest-timeout hypothesis
	@touch $@

$(VENV)/.python: | python
	@echo "Making a virtual environment in $(VENV)..."
	@$(PYTHON) -m venv $(VENV) || { \
	  rm -rf $(VENV); \
	  echo "gleann: this Python cannot make virtual environments." >&2; \
	  echo "  On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	  echo "gleann: no '$(PYTHON)' found; gleann needs Python 3.11 or newer." >&2; \
	  echo "  On Debian or Ubuntu: apt-get install python3 python3-venv" >&2; \
	  echo "  Or name one: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "gleann: '$(PYTHON)' is $$($(PYTHON) -V 2>&1); gleann needs Python 3.11 or newer." >&2; \
	  echo "  Name another: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
