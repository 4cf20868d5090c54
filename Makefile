# make demo   sets everything up and runs the main job; writes demo-report/report.html
# make test   sets everything up and runs the tests
# make check  format, lint, types, import contracts, generated protos
# make format, make clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INPUTS := pyproject.toml setup.py $(wildcard index/native/*)

.PHONY: demo test check format clean python
.DELETE_ON_ERROR:

demo: $(VENV)/.demo
	$(BIN)/gleann demo --out demo-report --overwrite

test: $(VENV)/.test
	$(BIN)/python -m pytest

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python proto/generate.py --check
	$(BIN)/python proto/generate.py --lint

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist demo-report index/*.so

$(VENV)/.demo: $(VENV)/.python $(INPUTS)
	@echo "Installing gleann and what the demo needs into $(VENV) (a few minutes the first time)..."
	$(PIP) install -e '.[cpu,demo]'
	@touch $@

$(VENV)/.test: $(VENV)/.python $(INPUTS)
	@echo "Installing gleann and what the tests need into $(VENV) (a few minutes the first time)..."
	$(PIP) install -e '.[cpu,demo,test]'
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
