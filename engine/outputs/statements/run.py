"""The statements of a month or of a clearing: one workbook a hospital, written on all cores, and the bureau's."""

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from engine.outputs.folder import MARK, replaced_folder
from engine.outputs.statements.addressee import Addressee
from engine.outputs.statements.bureau_month import write_bureau_month
from engine.outputs.statements.clearing import clearing_facts, clearing_figures
from engine.outputs.statements.clearing_workbooks import write_bureau_clearing, write_hospital_clearing
from engine.outputs.statements.hospital_month import Printed, write_hospital_month
from engine.outputs.statements.month import MonthFacts, MonthFigures
from engine.outputs.statements.month_reading import month_facts, month_figures, write_cases
from engine.outputs.statements.processes import Task, in_processes
from engine.outputs.writing import writing
from engine.provenance import file_digest, program_versions
from engine.settlement.ledger import read_ledger
from engine.tables import Column, read_table
from grouper.fault import Text, UserError
from grouper.nearest import near_names

StartProgress = Callable[[int | None], Callable[[int], None]]
NAMES = (Column("hospital_id"), Column("hospital_name"))


@dataclass(frozen=True)
class StatementsRequest:
    """What a run is asked to do.

    hospitals: only these, without the bureau's workbook. names: a table of hospital_id and hospital_name. bureau: who
    sends. processes: 0 is one a core.
    """

    ledger: Path
    out: Path
    lang: str = "zh"
    hospitals: Sequence[str] = ()
    names: Path | None = None
    bureau: str = ""
    processes: int = 0


def month_statements(request: StatementsRequest, month: str, start: StartProgress | None = None) -> dict[str, Any]:
    """Write the statements of a month and return their summary.

    Raises UserError for a month that is not settled or does not add up, unknown hospitals and unreadable names, and
    CannotWriteError; the folder is replaced as a whole or not at all.
    """
    names = hospital_names(request.names)
    with read_ledger(request.ledger) as ledger:
        facts = month_facts(ledger, month)
        figures = month_figures(ledger, facts)
        wanted = chosen(request.hospitals, figures.hospitals())
        with replaced_folder(request.out) as folder, writing(request.out):
            with tempfile.TemporaryDirectory(prefix=".cases-", dir=folder) as scratch:
                cases = Path(scratch) / "cases.parquet"
                write_cases(ledger, facts, cases)
                tasks = _tasks(request, facts, figures, {h: names.get(h, "") for h in wanted}, folder, cases)
                printed: dict[str, Printed] = _done(tasks, request.processes, start)
            if not request.hospitals:
                file = folder / f"{month}-bureau.xlsx"
                write_bureau_month(file, request.bureau, request.lang, facts, figures, printed, names)
            return _summarised(folder, _summary(facts, printed))


def clearing_statements(request: StatementsRequest, year: int, start: StartProgress | None = None) -> dict[str, Any]:
    """Write the statements of a year's final clearing, or of its last trial where there is none; their summary.

    Raises UserError for a year without a clearing; the rest as `month_statements`.
    """
    names = hospital_names(request.names)
    with read_ledger(request.ledger) as ledger:
        facts = clearing_facts(ledger, year)
        figures = clearing_figures(ledger, facts)
    wanted = chosen(request.hospitals, figures.hospitals["hospital_id"].unique().sort().to_list())
    with replaced_folder(request.out) as folder, writing(request.out):
        tasks = {}
        for hospital in wanted:
            to = Addressee(hospital, names.get(hospital, ""), request.bureau, request.lang)
            file = folder / f"{year}-{file_name(hospital)}.xlsx"
            tasks[hospital] = Task(write_hospital_clearing, (file, to, facts, figures.of(hospital)))
        due: dict[str, int] = _done(tasks, request.processes, start)
        if not request.hospitals:
            file = folder / f"{year}-bureau.xlsx"
            write_bureau_clearing(file, request.bureau, request.lang, facts, figures, due, names)
        head = {"year": year, "stage": facts.stage, "batch": facts.batch, "policy": facts.policy, "seal": facts.seal}
        return _summarised(folder, {**head, "hospitals": len(due), "due": sum(due.values())})


def _tasks(
    request: StatementsRequest,
    facts: MonthFacts,
    figures: MonthFigures,
    names: Mapping[str, str],
    folder: Path,
    cases: Path,
) -> dict[str, Task]:
    """Return the work of each hospital, measured by its cases."""
    sizes = dict(figures.sums.group_by("hospital_id").agg(pl.col("rows").sum()).iter_rows())
    found, parts = {}, figures.by_hospital()
    for hospital, name in names.items():
        file = folder / f"{facts.month}-{file_name(hospital)}.xlsx"
        to = Addressee(hospital, name, request.bureau, request.lang)
        arguments = (file, to, facts, parts[hospital], cases)
        found[hospital] = Task(write_hospital_month, arguments, sizes.get(hospital, 0))
    return found


def _done(tasks: Mapping[str, Task], processes: int, start: StartProgress | None) -> dict[str, Any]:
    """Write the workbooks and return what each shows, by hospital."""
    count = start(sum(task.size for task in tasks.values())) if start is not None else None
    found = {}
    for hospital, shown in in_processes(tasks, processes):
        found[hospital] = shown
        if count is not None:
            count(tasks[hospital].size)
    return dict(sorted(found.items()))


def _summary(facts: MonthFacts, printed: Mapping[str, Printed]) -> dict[str, Any]:
    """Return what the run says about itself; amounts are fen."""
    pools: dict[str, dict[str, int]] = {}
    for statement in printed.values():
        for pool, figures in statement.items():
            own = pools.setdefault(pool, {"hospitals": 0, "fund_cases": 0, "payable": 0, "paid": 0})
            own["hospitals"] += 1
            for key in ("fund_cases", "payable", "paid"):
                own[key] += int(figures[key] or 0)
    return {
        "month": facts.month,
        "batch": facts.batch,
        "month_version": facts.version,
        "policy": facts.policy,
        "seal": facts.seal,
        "hospitals": len(printed),
        "pools": [{"pool": pool, **pools[pool]} for pool in sorted(pools)],
    }


def hospital_names(file: Path | None) -> dict[str, str]:
    """Return names of hospitals by id, none without a file."""
    return {} if file is None else dict(read_table(file, NAMES).iter_rows())


def chosen(asked: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the hospitals asked for, all where none is. Raises UserError naming those that are not known."""
    faults = []
    for hospital in asked:
        if hospital not in known:
            near = near_names(hospital, known)
            faults.append(
                Text(
                    f"账本在该期没有医疗机构 {hospital}{near.zh}",
                    f"the ledger has no hospital {hospital} in this period{near.en}",
                )
            )
    if faults:
        raise UserError(faults)
    return list(dict.fromkeys(asked)) or list(known)


def file_name(hospital: str) -> str:
    """Return a hospital's id as part of a file name; where signs must give way, a digest keeps names apart."""
    safe = re.sub(r"[^\w-]", "_", hospital)[:60]
    return safe if safe == hospital else f"{safe}-{hashlib.sha256(hospital.encode()).hexdigest()[:8]}"


def _summarised(folder: Path, said: Mapping[str, Any]) -> dict[str, Any]:
    """Write summary.json, by which the folder is known as the program's own, and return it."""
    books = sorted(folder.glob("*.xlsx"))
    files = [{"file": book.name, "bytes": book.stat().st_size, "sha256": file_digest(book)} for book in books]
    summary = {"version": 1, "program": program_versions(), **said, "files": files}
    text = json.dumps(summary, ensure_ascii=False, indent=2)
    (folder / MARK).write_text(f"{text}\n", encoding="utf-8")
    return summary
