# drgdip. Each target sets up .venv by itself; all it needs is Python 3.11 or later with pip, and make.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-heavy lint bench bundle clean

# A synthetic city's year: its claims made, grouped under 2.0 beside 3.0, priced month by month, cleared.
POLICY := rules/policies/synthetic-city/policy.toml

demo: $(READY)
	rm -rf demo/priced
	$(BIN)/drgdip synth --claims 100000 --years 2026 --seed 1 --out demo/city
	$(BIN)/drgdip group demo/city/claims --scheme chs-drg-2.0 --compare chs-drg-3.0 --out demo/grouped
	set -e; earlier=; for month in 01 02 03 04 05 06 07 08 09 10 11 12; do \
		$(BIN)/drgdip price demo/grouped --claims demo/city/claims --policy $(POLICY) --month 2026-$$month \
			$$earlier --out demo/priced/2026-$$month; \
		earlier="$$earlier --earlier demo/priced/2026-$$month"; \
	done
	$(BIN)/drgdip clear demo/priced/* --policy $(POLICY) --year 2026 --out demo/cleared

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
	$(BIN)/python -m benchmarks.pricing
	$(BIN)/python -m benchmarks.clearing

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
