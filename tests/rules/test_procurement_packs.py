"""Parameter packs: what is shipped and how well it is founded, every refusal, and rules that must be stated."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from rules.fault import UserError
from rules.procurement.agreed_volume import agreed_ratio
from rules.procurement.checks import TEXTS
from rules.procurement.cross_checks import WARNINGS
from rules.procurement.packs import find_pack, load_pack, rule_kinds, rule_on, shipped, unshippable
from rules.procurement.parameters import AgreedRatio, Cycle, DoubleDeviation, Retention, Shortlist
from rules.procurement.retention import REASONS, retention
from rules.procurement.shortlist import Offer, places, shortlist
from rules.procurement.winning import Bid, evaluate
from tests.rules.procurement_rows import retention_rows, rule

DOCS = (Path(__file__).parents[2] / "docs" / "procurement.md").read_text("utf-8")


@pytest.mark.parametrize("name", shipped())
def test_shipped_packs_hold_only_founded_values(name: str) -> None:
    pack = find_pack(name)
    assert pack.id == name
    assert unshippable(pack) == []
    assert f"`{name}`" in DOCS


def test_every_name_is_documented() -> None:
    names = {*rule_kinds(), *TEXTS, *WARNINGS, *set(REASONS) - {"kept"}}
    assert {name for name in names if f"`{name}`" not in DOCS} == set()


HEAD = """
id = "own"
title = { zh = "自有", en = "own" }
scope = "here"
[documents]
A = "a document"
"""


def pack_file(tmp_path: Path, *rules: str) -> Path:
    file = tmp_path / "own.toml"
    file.write_text(HEAD + "".join(f"\n[[rules]]\n{text}\n" for text in rules), "utf-8")
    return file


DATED = 'valid_from = 2026-01-01\nreference = "A"\ngrade = "T"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f'rule = "cycles"\n{DATED}', r"rules\[0\]: 'cycles' is not one of the choices; did you mean cycle"),
        (f'rule = "cycle"\n{DATED}', "write one of years_by_winners and ends"),
        (f'rule = "cycle"\n{DATED}year = [1]\nends = 2027-12-31', r"rules\[0\].year: unknown key"),
        (f'rule = "ceiling"\n{DATED}of_listed_mean = 0.5\nexclude_sole_winners = true', "must be a decimal in quotes"),
        (
            'rule = "shortlist"\nreference = "B"\ngrade = "T"\nmost = 3',
            r"rules\[0\].reference: B is no key of \[documents\]",
        ),
        (f'rule = "shortlist"\n{DATED}most = 3\nby_bidders = {{ 4 = 3, 6 = 3 }}', "by_bidders has gaps"),
        (f'rule = "shortlist"\n{DATED}most = 3\nby_bidders = {{ 4 = 5 }}', "more are shortlisted than bid"),
        (f'rule = "retention"\n{DATED}ceiling = "0.5"\nkeep = [{{ share = "0.6" }}]', "above the ceiling 0.5"),
        ('rule = "progress_alert"\ngrade = "T"\nleast_of_time = "0.8"', r"rules\[0\].reference: is missing"),
        (f'rule = "progress_alert"\n{DATED}valid_to = 2025-01-01\nleast_of_time = "0.8"', "is before valid_from"),
    ],
)
def test_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        load_pack(pack_file(tmp_path, text))
    assert all("own.toml" in fault.zh for fault in caught.value.faults)


def test_all_faults_at_once_and_two_values_on_a_day(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_pack(pack_file(tmp_path, 'rule = "ceiling"', f'rule = "cycle"\n{DATED}'))
    assert len(caught.value.faults) == 5
    one = f'rule = "cycle"\n{DATED}ends = 2027-12-31'
    with pytest.raises(UserError, match="two rules cycle are valid on 2026-01-01"):
        load_pack(pack_file(tmp_path, one, one))


def test_what_is_unconfirmed_is_asked_for() -> None:
    with pytest.raises(UserError, match=r"pack national-08 has no rule cycle \(to 2025-12-31, unconfirmed\)"):
        rule_on(find_pack("national-08"), Cycle, date(2023, 4, 1))
    with pytest.raises(UserError, match="no value on 2019-01-01"):
        rule_on(find_pack("national-10"), Cycle, date(2019, 1, 1))
    with pytest.raises(UserError, match="did you mean national-1"):
        find_pack("national-1")
    with pytest.raises(UserError, match="no retention of scope 'nannin'; did you mean nanning"):
        rule_on(find_pack("retention"), Retention, date(2026, 1, 1), "nannin")
    four = rule_on(find_pack("national-04"), Shortlist, date(2021, 2, 3))
    with pytest.raises(UserError, match="how many of 5 bidders"):
        places(four, 5)
    (twelve,) = (one for one in find_pack("national-12").rules if isinstance(one, DoubleDeviation))
    with pytest.raises(UserError, match="declare deviation"):
        evaluate(twelve, [Bid("a", twelve.anchor_deviations)])
    second = rule_on(find_pack("national-02"), AgreedRatio, date(2020, 1, 17))
    with pytest.raises(UserError, match=re.escape("state the agreed ratio of this drug, 0.50 to 0.80")):
        agreed_ratio(second, 2, "all", "0.85")
    eleven = rule_on(find_pack("national-11"), AgreedRatio, date(2026, 1, 1))
    with pytest.raises(UserError, match="state the agreed ratio"):
        agreed_ratio(eleven, 3)


def test_a_retention_rule_with_open_choices_is_refused() -> None:
    national = rule_on(find_pack("retention"), Retention, date(2026, 1, 1))
    with pytest.raises(UserError) as caught:
        retention(retention_rows({}), national)
    assert [fault.en.split()[6] for fault in caught.value.faults] == [
        "keep",
        "insured_share",
        "floor_at",
        "nonwin_scope",
    ]


def test_affiliated_firms_are_one_bidder_and_ties_stay_open() -> None:
    table = rule(Shortlist, by_bidders={"3": 2}, most=2)
    offers = [Offer("a", Decimal(1))]
    offers += [Offer("b", Decimal(2), "group"), Offer("c", Decimal(3), "group"), Offer("d", Decimal(2))]
    found = shortlist(table, offers)
    assert [place.shortlisted for place in found] == [True, False, False, False]
    assert "tied at 2" in found[1].reason.en
    assert "affiliated with b" in found[2].reason.en
