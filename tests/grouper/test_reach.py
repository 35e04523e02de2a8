"""Every group of a scheme is reached by a generated record, and what is not reached cannot be."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from grouper import CaseGroup, Scheme, group_case, load_scheme
from grouper.rule_language import Always, Membership, Or, Rule
from grouper.scheme.pack import RuleRow
from tests.generated_records import Design, Designer

if TYPE_CHECKING:
    from grouper.drg.reference import Tried

FIGURES = {
    # named groups, xQY rows and nameless fallbacks, by the official documents
    "chs-drg-1.1": (628, 0, 0),
    "beijing-drg-2022": (696, 0, 0),
    "chs-drg-2.0": (634, 21, 0),
    "chs-drg-3.0": (825, 21, 24),
}
UNREACHABLE = {
    # Every principal diagnosis of the gates of these MDCs is in the list of an ADRG that asks for nothing else, so a
    # case never comes as far as the nameless last row. Only in MDCP does it: P000.
    "chs-drg-3.0": {f"{letter}000" for letter in "BCDEFGHIJKLMNOQRSTUVWXY"},
}
MOST_TRIES = 400


def reached(designer: Designer, rows: tuple[RuleRow, RuleRow, RuleRow]) -> tuple[Design, CaseGroup] | None:
    """Return the first record designed for a DRG row that lands in it."""
    for _ in range(MOST_TRIES):
        design = designer.design(*rows)
        if design is not None:
            group = group_case(designer.scheme, design.record)
            if group.drg == rows[2].code:
                return design, group
    return None


@pytest.mark.parametrize("scheme", FIGURES)
def test_every_group_is_reached_and_explained(scheme: str) -> None:
    loaded = load_scheme(scheme)
    designer = Designer(loaded, seed=7)
    missed, kinds = set(), {"grouped": 0, "ambiguous": 0, "ungroupable": 0}
    for rows in designer.targets():
        mdc, adrg, drg = rows
        if drg.code in UNREACHABLE.get(scheme, ()):
            continue
        found = reached(designer, rows)
        if found is None:
            missed.add(drg.code)
            continue
        design, group = found
        assert (group.mdc, group.adrg, group.drg) == (mdc.code, adrg.code, drg.code)
        kinds[group.status] += 1
        trace: list[Tried] = []
        assert group_case(loaded, design.record, trace) == group
        held = [tried.row.code for tried in trace if tried.holds]
        assert held[-3:] == [mdc.code, adrg.code, drg.code]
    assert missed == set()
    named, ambiguous, fallbacks = FIGURES[scheme]
    assert kinds == {
        "grouped": named,
        "ambiguous": ambiguous,
        "ungroupable": fallbacks - len(UNREACHABLE.get(scheme, ())),
    }


@pytest.mark.parametrize("scheme", UNREACHABLE)
def test_unreachable_rows_stand_behind_lists_that_cover_their_gate(scheme: str) -> None:
    loaded = load_scheme(scheme)
    found = set()
    for mdc in loaded.mdcs:
        for adrg in loaded.adrgs[mdc.code]:
            if isinstance(adrg.rule, Always) and not adrg.name and not gate(loaded, mdc) - taken(loaded, mdc):
                found |= {drg.code for drg in loaded.drgs[adrg.code]}
    assert found == UNREACHABLE[scheme]


def gate(scheme: Scheme, mdc: RuleRow) -> set[str]:
    """Principal diagnoses one of which every case of an MDC must have; a code of no list where the gate is wider."""
    lists = [part for part in parts(mdc.rule) if asks_principal_diagnosis(part)]
    return {"any"} if isinstance(mdc.rule, Or) or not lists else codes(scheme, lists[0])


def taken(scheme: Scheme, mdc: RuleRow) -> set[str]:
    """Principal diagnoses with which alone a case gets into an ADRG of an MDC."""
    every: set[str] = set()
    for adrg in scheme.adrgs[mdc.code]:
        alternatives = adrg.rule.parts if isinstance(adrg.rule, Or) else (adrg.rule,)
        every.update(*(codes(scheme, rule) for rule in alternatives if asks_principal_diagnosis(rule)))
    return every


def parts(rule: Rule) -> Iterator[Rule]:
    yield from getattr(rule, "parts", (rule,))


def asks_principal_diagnosis(rule: Rule) -> bool:
    return isinstance(rule, Membership) and "ZYZD" in rule.fields and not rule.negated


def codes(scheme: Scheme, rule: Rule) -> set[str]:
    assert isinstance(rule, Membership)
    return set().union(*(scheme.sets[name] for name in rule.sets))
