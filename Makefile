# drgdip. Each target sets up .venv by itself; all it needs is Python 3.11 or later with pip, and make.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-heavy lint bench bundle clean

# The last three months of a synthetic city's year: claims made, grouped under 2.0 beside 3.0, settled into a ledger; October
# confirmed and paid, then corrected by a special-case decision, which December books; the year cleared; statements written.
LEDGER := --ledger demo/city.duckdb
SETTLE := --policy synthetic-city $(LEDGER)

demo: $(READY)
	rm -rf demo/city.duckdb demo/statements
	$(BIN)/drgdip synth --claims 300000 --years 2026-10..2026-12 --seed 1 --dirty 0.002 --out demo/city
	$(BIN)/drgdip group demo/city/claims --scheme chs-drg-2.0 --compare chs-drg-3.0 --out demo/grouped
	$(BIN)/drgdip settle demo/city/claims/2026-10.parquet --month 2026-10 $(SETTLE)
	$(BIN)/drgdip ledger mark 2026-10 sent $(LEDGER)
	$(BIN)/drgdip settle demo/city/claims/2026-11.parquet --month 2026-11 $(SETTLE)
	$(BIN)/drgdip ledger mark 2026-10 confirmed $(LEDGER)
	$(BIN)/drgdip ledger mark 2026-10 approved $(LEDGER)
	$(BIN)/drgdip ledger mark 2026-10 paid $(LEDGER)
	$(BIN)/drgdip settle demo/city/claims/2026-12.parquet --month 2026-12 $(SETTLE)
	printf 'case_id,decision,amount\n2026100000001739,by_item,\n' > demo/city/decisions.csv
	$(BIN)/drgdip ledger decisions demo/city/decisions.csv $(LEDGER)
	$(BIN)/drgdip settle demo/city/claims/2026-10.parquet --month 2026-10 $(SETTLE)
	$(BIN)/drgdip clear --year 2026 $(LEDGER)
	$(BIN)/drgdip statements --month 2026-12 --names demo/city/hospitals.parquet --out demo/statements/2026-12 $(LEDGER)
	$(BIN)/drgdip statements --year 2026 --names demo/city/hospitals.parquet --out demo/statements/2026 $(LEDGER)
	$(BIN)/drgdip ledger verify $(LEDGER)
	@printf '%s\n' '' \
		'The ledger is demo/city.duckdb, the statements are in demo/statements. Look first at' \
		'  demo/statements/2026-12/2026-12-bureau.xlsx   December of all hospitals; beside it a workbook for each' \
		'  demo/statements/2026/2026-bureau.xlsx         the clearing of the year, and what each hospital is due' \
		'  demo/grouped/transitions.csv                  the groups of 3.0 that cases of each group of 2.0 go to' \
		'  docs/analysts.md                              ten questions to this ledger, with their answers' \
		'  $(BIN)/drgdip ledger list $(LEDGER)' \
		'  $(BIN)/drgdip sql $(LEDGER) "FROM pool_balance ORDER BY pool, month"'

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
	$(BIN)/python -m benchmarks.settlement
	$(BIN)/python -m benchmarks.statements
	$(BIN)/python -m benchmarks.measurement

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
