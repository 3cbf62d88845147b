# Everything a fresh clone needs is set up by these targets: a Python of its own below .venv, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.ready
EVIDENCE := testdata/evidence/ws-tanaka/e01/ws-tanaka.E01
OUT := out/ws-tanaka

.PHONY: run test lint types check bench clean

run: $(SETUP)
	$(BIN)/mirrortrace timeline $(EVIDENCE) -o $(OUT) --force

test: $(SETUP)
	$(BIN)/pytest -n auto --dist loadfile -q

lint: $(SETUP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(SETUP)
	$(BIN)/mypy

check: test lint types

bench: $(SETUP)
	$(BIN)/python -m tests.bench

$(SETUP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 run")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps timesketch
	# A second reader of WMI's repository, built on the spot: where it cannot be, its test is skipped.
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check 'python-cim>=1.1'
	touch $(SETUP)

clean:
	rm -rf $(VENV) out build dist *.egg-info
