# drgdip. Each target sets up .venv by itself; all it needs is Python 3.11 or later with pip, and make.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-heavy lint bench bundle clean

demo: $(READY)
	$(BIN)/drgdip synth --claims 300000 --seed 1 --out demo/city
	$(BIN)/drgdip group demo/city/claims --scheme chs-drg-2.0 --compare chs-drg-3.0 --out demo/grouped

test: $(READY)
	$(BIN)/python -m pytest -n 2 -m "not heavy"

test-heavy: $(READY)
	$(BIN)/python -m pytest -n 2 -m heavy

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m benchmarks.grouping

# A folder of wheels, drgdip's own among them, for machines without a network; see README.
bundle: $(READY)
	rm -rf wheels
	$(BIN)/python -m pip download --quiet --require-hashes --only-binary :all: --dest wheels -r requirements.lock
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir wheels .

$(READY): pyproject.toml requirements.lock requirements-dev.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(READY)

clean:
	rm -rf .venv demo wheels .pytest_cache .mypy_cache .ruff_cache .hypothesis
