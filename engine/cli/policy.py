"""drgdip policy: list, show, check, test and compare payment policies."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.options import Json, Lang
from engine.cli.screen import console, print_json
from grouper.fault import Text
from rules.fault import Text as RulesText
from rules.fault import UserError

if TYPE_CHECKING:
    from rules.policy.examples import Outcome
    from rules.policy.resolve import Policy

app = typer.Typer(help="Payment policies: list, show, check, test, diff.", no_args_is_help=True)

PolicyName = Annotated[
    str, typer.Argument(metavar="FILE", help="A policy or reform file, or the id of a shipped policy.")
]
Day = Annotated[
    datetime | None,
    typer.Option("--on", formats=["%Y-%m-%d"], help="The day, 2026-10-01; the first day of the policy where left out."),
]


@app.command("list")
def list_policies(lang: Lang = "", as_json: Json = False) -> None:
    """List the policies that come with the program."""
    from rules.policy.shipped import find_policy, shipped

    rows = [_head(find_policy(name), lang) for name in shipped()]
    if as_json:
        print_json(rows)
        return
    titles = Text("编号 名称 类型 有效期 分组方案", "policy title kind valid scheme").text(lang).split()
    _print_table(titles, [tuple(row.values()) for row in rows])


@app.command()
def show(file: PolicyName, on: Day = None, lang: Lang = "", as_json: Json = False) -> None:
    """Show the policy as it stands on a day: every value with its name, unit, first day and document."""
    from rules.policy.difference import HEAD, values, written
    from rules.policy.shipped import find_policy
    from rules.policy.terms import term_at

    policy = find_policy(file)
    day = policy.valid[0] if on is None else on.date()
    resolved = policy.on(day)
    rows: list[dict[str, str]] = []
    for key, path, value in values(resolved.cut):
        if path[0] in HEAD:
            continue
        name, unit = term_at(path)
        source = resolved.cut.source(path)
        rows.append(
            {
                "key": key,
                "name": name.text(lang),
                "value": written(value),
                "unit": unit.text(lang),
                "since": "" if source is None else str(source.since),
                "reference": "" if source is None else source.reference,
            }
        )
    if as_json:
        documents = dict(policy.document.get("documents", {}))
        print_json({**_head(policy, lang), "on": str(day), "documents": documents, "values": rows})
        return
    titles = Text("键 名称 值 单位 起 依据", "key name value unit since reference").text(lang).split()
    typer.echo(f"{policy.id}  {_title(policy, lang)}  {day}")
    _print_table(titles, [tuple(row.values()) for row in rows])
    for key, document in policy.document.get("documents", {}).items():
        typer.echo(f"{key}  {document}")


@app.command()
def check(file: PolicyName, lang: Lang = "", as_json: Json = False) -> None:
    """Check a policy, its tables, and that every group of its scheme has a weight. Exit 1 where there are faults."""
    from rules.policy.shipped import find_policy, policy_file

    path = policy_file(file)
    faults: list[RulesText] = []
    notes: list[Text] = []
    try:
        policy = find_policy(path)
        faults, notes = _table_faults(policy)
    except UserError as error:
        faults = list(error.faults)
    if as_json:
        print_json({"faults": [fault._asdict() for fault in faults], "notes": [note._asdict() for note in notes]})
    else:
        for fault in faults:
            typer.echo(fault.text(lang))
        for note in notes:
            typer.echo(note.text(lang))
        if not faults:
            typer.echo(Text(f"{path}：没有错误", f"{path}: no fault").text(lang))
    if faults:
        raise typer.Exit(1)


@app.command("test")
def run_examples(
    file: PolicyName,
    cases: Annotated[Path | None, typer.Option("--cases", help="The examples, where not FILE.cases.toml.")] = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Work the examples that stand beside a policy. Exit 1 where a figure differs."""
    from rules.policy.examples import cases_file, check_examples
    from rules.policy.shipped import find_policy, policy_file

    outcomes = check_examples(find_policy(file), cases or cases_file(policy_file(file)))
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if as_json:
        print_json([_outcome(outcome) for outcome in outcomes])
    else:
        for outcome in outcomes:
            _print_outcome(outcome, lang)
        passed = len(outcomes) - len(failed)
        zh, en = (
            f"{len(outcomes)} 例，{passed} 例相符，{len(failed)} 例不符",
            f"{len(outcomes)} examples, {passed} as expected",
        )
        typer.echo(Text(zh, f"{en}, {len(failed)} not").text(lang))
    if failed:
        raise typer.Exit(1)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A policy file or the id of a shipped policy.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Another one, or a reform of it.")],
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Show which values differ between two policies, and on which days."""
    from rules.policy.difference import difference
    from rules.policy.shipped import find_policy

    found = difference(find_policy(before), find_policy(after))
    if as_json:
        print_json([{**one._asdict(), "since": str(one.since), "until": str(one.until)} for one in found])
        return
    titles = Text("键 起 止 A B", "key from to A B").text(lang).split()
    _print_table(titles, [(o.key, o.since, o.until, o.before or "—", o.after or "—") for o in found])


def _table_faults(policy: "Policy") -> tuple[list[RulesText], list[Text]]:
    """Return the faults of a policy's tables, and notes on groups of the scheme that have no weight."""
    from rules.policy.tables import load_tables

    faults: list[RulesText] = []
    notes: list[Text] = []
    for start in policy.starts:
        resolved = policy.on(start)
        try:
            tables = load_tables(policy, resolved)
        except UserError as error:
            faults += [fault for fault in error.faults if fault not in faults]
            continue
        known = {group for group, figures in tables.groups.items() if figures.weight is not None}
        note = _unpublished(resolved.rules.scheme, known)
        notes += [note] if note is not None and note not in notes else []
    return faults, notes


def _unpublished(scheme: str, known: set[str]) -> Text | None:
    """Return a note on the scheme's groups without a published weight; None where it is no shipped DRG scheme."""
    from grouper.scheme.pack import load_scheme, shipped

    if scheme not in shipped("drg"):
        return None
    rows = [row for rows in load_scheme(scheme).drgs.values() for row in rows]
    groups = {row.code for row in rows if not row.is_ambiguous and not row.is_nameless_fallback}
    lost = sorted(groups - known)
    some = " ".join(lost[:5])
    zh = f"方案 {scheme} 的 {len(groups)} 个病组中 {len(lost)} 个没有公布的权重：{some}"
    en = f"{len(lost)} of the {len(groups)} groups of {scheme} have no published weight: {some}"
    return Text(zh, en) if lost else None


def _head(policy: "Policy", lang: str) -> dict[str, str]:
    schemes = dict.fromkeys(policy.on(start).rules.scheme for start in policy.starts)
    rules = policy.on(policy.valid[0]).rules
    valid = f"{policy.valid[0]} – {policy.valid[1]}"
    return {
        "id": policy.id,
        "title": _title(policy, lang),
        "kind": rules.kind,
        "valid": valid,
        "scheme": ", ".join(schemes),
    }


def _title(policy: "Policy", lang: str) -> str:
    return policy.on(policy.valid[0]).rules.title.text(lang)


def _outcome(outcome: "Outcome") -> dict[str, Any]:
    return {
        "what": outcome.example.what,
        "source": outcome.example.source,
        "question": outcome.example.question,
        "passed": outcome.passed,
        "results": [comparison._asdict() for comparison in outcome.comparisons],
        "faults": [fault._asdict() for fault in outcome.faults],
    }


def _print_outcome(outcome: "Outcome", lang: str) -> None:
    """Print one example: a mark and what it is, and every figure that is not as expected."""
    typer.echo(f"{'✓' if outcome.passed else '✗'} {outcome.example.what}  [{outcome.example.source}]")
    for comparison in outcome.comparisons:
        if not comparison.equal:
            key, wanted, found = comparison.key, comparison.expected, comparison.found
            typer.echo(
                Text(f"    {key}：期望 {wanted}，算得 {found}", f"    {key}: expected {wanted}, found {found}").text(
                    lang
                )
            )
    for fault in outcome.faults:
        typer.echo(f"    {fault.text(lang)}")


def _print_table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*map(str, row))
    console().print(table)
