# make demo   a fresh environment, the runtime, and the main job on clips it makes itself
# make test   the rest of the packages, then tests, lint and types
# make speed  every table of docs/benchmarks.md, on an idle machine; DATA holds utd-mhad/
PYTHON ?= python3
VENV ?= .venv
EXTRA ?= cpu
DATA ?= ../shared/data
SPEED := embed networks cold parse index
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint types speed clean

demo: $(VENV)/.$(EXTRA)
	$(VENV)/bin/stars demo

# A process a core: a second thread in each of them would only wait for the others.
test: lint types
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n auto --dist loadfile

speed: $(VENV)/.dev
	for bench in $(SPEED); do \
	  $(VENV)/bin/python benchmarks/speed/$$bench.py --write docs/benchmarks.md || exit 1; done
	$(VENV)/bin/python benchmarks/speed/exact.py --data $(DATA) --write docs/benchmarks.md

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

# Types are checked on the packages as they are installed: train/ is stars_infer.train only there.
types: $(VENV)/.dev
	rm -rf .typed build
	$(PIP) --no-deps --no-build-isolation --target .typed .
	cd .typed && ../$(VENV)/bin/mypy --config-file ../pyproject.toml -p stars_infer
	rm -rf .typed build

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.cpu $(VENV)/.gpu $(VENV)/.dev: $(VENV)/.%: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --constraint constraints.txt --editable '.[$*]'
	@touch $@

clean:
	rm -rf $(VENV) .typed build dist *.egg-info
