"""drgdip synth: the claims of an illustrative city, made and not collected."""

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from engine.cli.options import Json, Lang, say
from engine.cli.progress import Progress
from engine.cli.screen import print_json
from grouper.fault import Text, UserError

if TYPE_CHECKING:
    from engine.synthetic.write import Extra

_MOST_CLAIMS = 1_000_000_000
_LONGEST = 20
"""Years."""


def synth(
    claims: Annotated[int, typer.Option(help="Number of claims.")],
    out: Annotated[Path, typer.Option(help="Folder for the city; replaced as a whole or not at all.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    years: Annotated[
        str, typer.Option(help="Years of settlement: 2026 or 2024-2026; or months: 2026-10..2026-12.")
    ] = "2024-2026",
    dirty: Annotated[float, typer.Option(help="Share of claims with something wrong, 0 to 1.")] = 0.0,
    extra: Annotated[
        list[str] | None,
        typer.Option("--with", help="More tables: fee_lines (of a sample), truth (what was aimed at)."),
    ] = None,
    one_file: Annotated[bool, typer.Option("--one-file", help="One file of claims instead of one a month.")] = False,
    city: Annotated[Path | None, typer.Option(help="Folder of another city (docs/synthetic.md).")] = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Write the claims of a synthetic city.

    Writes claims/YYYY-MM.parquet with all canonical columns, hospitals.parquet, enrolment.parquet and summary.json.
    """
    first, last, extras = _checked(claims, seed, years, dirty, extra or [])

    from engine.synthetic import EXAMPLE_CITY, Plan, SynthesisRequest, load_city, write_city

    plan = Plan(load_city(city or EXAMPLE_CITY), seed, claims, first.year, last.year, first.month, last.month)
    request = SynthesisRequest(plan, out, dirty, extras, one_file)
    began = time.monotonic()
    with Progress(Text("生成结算记录", "making claims")) as progress:
        summary = write_city(request, progress.start(claims))
    if as_json:
        print_json(summary)
        return
    seconds = time.monotonic() - began
    made = f"{summary['claims']:,}"
    rate = f"{summary['claims'] / seconds:,.0f}"
    say(
        f"生成 {made} 条结算记录（{years} 年，种子 {seed}），用时 {seconds:.1f} 秒（{rate} 条/秒）",
        f"made {made} claims of {years}, seed {seed}, in {seconds:.1f} s ({rate} claims/s)",
    )
    say(f"结果在 {out}", f"they are in {out}")


class _Month(NamedTuple):
    year: int
    month: int


def _checked(
    claims: int, seed: int, years: str, dirty: float, extra: list[str]
) -> tuple[_Month, _Month, "frozenset[Extra]"]:
    """Return the first and the last month and the extra tables. Raises UserError with every option that is wrong."""
    faults = []
    if not 1 <= claims <= _MOST_CLAIMS:
        faults.append(
            Text(
                f"--claims {claims}：应为 1 至 {_MOST_CLAIMS:,} 的整数",
                f"--claims {claims}: must be a number from 1 to {_MOST_CLAIMS:,}",
            )
        )
    if seed < 0:
        faults.append(Text(f"--seed {seed}：不能为负", f"--seed {seed}: must not be negative"))
    if not 0 <= dirty <= 1:
        faults.append(Text(f"--dirty {dirty:g}：应为 0 至 1 的比例", f"--dirty {dirty:g}: must be a share from 0 to 1"))
    first, last = _read_years(years, faults)
    extras = _read_extras(extra, faults)
    if faults:
        raise UserError(faults)
    return first, last, extras


def _read_years(years: str, faults: list[Text]) -> tuple[_Month, _Month]:
    """Return the first and the last month of years (2026, 2024-2026) or of months (2026-10..2026-12)."""
    month = r"(20\d\d)-(0[1-9]|1[0-2])"
    if of_months := re.fullmatch(rf"{month}\.\.{month}", years.strip()):
        numbers = [int(number) for number in of_months.groups()]
        first, last = _Month(*numbers[:2]), _Month(*numbers[2:])
    elif of_years := re.fullmatch(r"(20\d\d)(?:-(20\d\d))?", years.strip()):
        first, last = _Month(int(of_years[1]), 1), _Month(int(of_years[2] or of_years[1]), 12)
    else:
        first, last = _Month(1, 1), _Month(0, 12)
    if first > last or last.year - first.year >= _LONGEST:
        faults.append(
            Text(
                f"--years {years}：应为年份，如 2026 或 2024-2026，或月份，如 2026-10..2026-12，至多 {_LONGEST} 年",
                f"--years {years}: must be years like 2026 or 2024-2026, or months like 2026-10..2026-12,"
                f" at most {_LONGEST} years",
            )
        )
    return first, last


def _read_extras(extra: list[str], faults: list[Text]) -> "frozenset[Extra]":
    from engine.synthetic.write import EXTRAS

    names = [name.strip() for given in extra for name in given.split(",")]
    known = "、".join(EXTRAS)
    faults.extend(
        Text(f"--with {name}：只有 {known}", f"--with {name}: must be one of {', '.join(EXTRAS)}")
        for name in names
        if name not in EXTRAS
    )
    return frozenset(name for name in EXTRAS if name in names)
