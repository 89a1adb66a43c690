# make demo: from a clone to trained heads and images; make test: everything that must pass.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo test test-slow format clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"stn_action needs Python 3.11 to 3.13, this is {sys.version}: make PYTHON=python3.12 ...")'
	@echo "installing into .venv (PyTorch is large: two to three minutes)"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: install
	$(BIN)/python tools/demo.py --out runs/demo

test: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/python -m pytest -q --numprocesses 2 --dist loadfile --durations=10

test-slow: install
	$(BIN)/python -m pytest -q -m slow

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv runs data/sample
