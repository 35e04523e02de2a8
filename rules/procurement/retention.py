"""Surplus retention (结余留用): what a hospital keeps of what an agreement saved (spec 1.12).

One row is batch × institution × drug × year × insurance type:

    budget   = base quantity × price before × pay ratio × insured share × (1 + reasonable change)
    spend    = (agreed amount at winning prices + non-winning amount) × pay ratio × insured share
    retained = max(0, budget − spend) × share kept, if the agreement is completed and the assessment passed

Use beyond the agreement is charged to nobody. Everything is exact until the fen that is kept, rounded once: a row's
where the floor stands at the drug, the institution's where it stands there, shared back over its drugs.
"""

import polars as pl

from rules.fault import Text, UserError
from rules.payment.columns import need
from rules.procurement.exact import (
    MILLION,
    Exact,
    decimals,
    millionths,
    ratio,
    refuse_too_large,
    rounded,
    whole,
    wide,
)
from rules.procurement.parameters import Retention
from rules.procurement.shares import shared

KEYS = ["batch", "institution", "drug", "year", "insurance_type"]
GROUP = ["batch", "institution", "year", "insurance_type"]
AMOUNTS = 10**4
"""Amounts are yuan with six decimals: 10⁴ of them are a fen."""
DENOMINATOR = AMOUNTS * MILLION**3
NONWIN = {"all": "nonwin_all", "not_appropriate": "nonwin_not_appropriate", "not_passed": "nonwin_not_passed"}
REASONS = {
    "kept": Text("留用", "kept"),
    "no_surplus": Text("没有结余", "nothing is saved"),
    "not_completed": Text("未完成约定采购量", "the agreed volume is not completed"),
    "not_assessed": Text("没有考核得分", "there is no assessment score"),
    "assessed_to_nothing": Text("考核得分对应比例为零", "the score keeps nothing"),
    "not_listed": Text("不在医保目录内", "not on the reimbursement list"),
}
"""Why a row keeps what it keeps."""


def retention(rows: pl.DataFrame, rule: Retention) -> pl.DataFrame:
    """Return the rows with budget, spend, surplus (fen, for show), keep (ratio), reason and retained (fen, Int64).

    `rows`: the keys; base_quantity, agreed_quantity (whole agreement units), purchased_quantity (decimal), pre_price
    (yuan an agreement unit), agreed_amount (yuan, Σ quantity × winning price), the non-winning amount of the rule's
    scope (fen: nonwin_all, nonwin_not_appropriate or nonwin_not_passed), pay_ratio, the insured share of the rule's
    definition (insured_quantity or insured_person_times), score; optional: change (ratio), listed (flag), case_budget
    and case_spend (fen) that DRG/DIP left with the hospital, which the rule may take out.
    UserError where the rule leaves a choice open, a column is missing, or a value is out of bounds (counted).
    """
    _refuse_open(rule)
    nonwin, insured = NONWIN[str(rule.nonwin_scope)], f"insured_{rule.insured_share}"
    _refuse_rows(rows, rule, nonwin, insured)
    frame = _optional(rows).with_columns(
        _budget(insured, rule).alias("_budget"), _spend(nonwin, insured, rule).alias("_spend")
    )
    frame = frame.with_columns((pl.col("_budget") - pl.col("_spend")).alias("_surplus"), _keep(rule).alias("_keep"))
    frame = frame.with_columns(_reason(rule).alias("reason"))
    frame = _at_drug(frame, rule) if rule.floor_at == "drug" else _at_institution(frame, rule)
    shown = {"budget": "_budget", "spend": "_spend", "surplus": "_surplus"}
    return frame.select(
        *rows.columns,
        *(rounded(Exact(pl.col(old), DENOMINATOR), rule.mode).alias(new) for new, old in shown.items()),
        decimals(pl.col("_keep")).alias("keep"),
        "reason",
        "retained",
    )


def over_reporting(rows: pl.DataFrame, rule: Retention) -> pl.DataFrame:
    """Return the keys with `retained`, `retained_if_agreed` (the base is the agreed quantity) and `worth`, their gap.

    What a demand reported above the agreement is worth to the hospital (fen).
    """
    as_agreed = rows.with_columns(pl.col("agreed_quantity").alias("base_quantity"))
    both = retention(rows, rule).select(*KEYS, "retained")
    other = retention(as_agreed, rule).select(pl.col("retained").alias("retained_if_agreed"))
    joined = pl.concat([both, other], how="horizontal")
    return joined.with_columns((pl.col("retained") - pl.col("retained_if_agreed")).alias("worth"))


def across_years(retained: pl.DataFrame, bought: pl.DataFrame, rule: Retention) -> pl.DataFrame:
    """Return the retained amounts by calendar year: the keys, calendar_year, retained (fen); the parts add up.

    `bought`: batch, institution, drug, year, calendar_year, amount (fen, not below zero). By purchased amount, largest
    remainder; or all in the last calendar year. UserError counts rows that no purchase tells the year of.
    """
    if rule.across_years is None:
        raise UserError(Text("规则未写 across_years", "the rule does not state across_years"))
    keys = ["batch", "institution", "drug", "year"]
    spans = bought.group_by(*keys, "calendar_year").agg(pl.col("amount").sum())
    joined = retained.select(*KEYS, "retained").join(spans, on=keys, how="left")
    lost = joined.filter((pl.col("amount").sum().over(KEYS) <= 0) & (pl.col("retained") > 0)).height
    if lost:
        zh = f"{lost} 行没有采购金额，无法分摊到年度"
        raise UserError(Text(zh, f"{lost} rows have no purchased amount to tell their year by"))
    joined = joined.with_columns(pl.col("amount").fill_null(0))
    if rule.across_years == "end_of_cycle":
        last = pl.col("calendar_year") == pl.col("calendar_year").max().over(KEYS)
        return joined.filter(last).select(*KEYS, "calendar_year", "retained").sort(*KEYS, "calendar_year")
    parts = shared(joined, "retained", "amount", KEYS, ["calendar_year"], "part")
    out = parts.select(*KEYS, "calendar_year", pl.col("part").alias("retained"))
    return out.filter(pl.col("calendar_year").is_not_null()).sort(*KEYS, "calendar_year")


def observed_shares(lines: pl.DataFrame) -> pl.DataFrame:
    """Return institution, drug, year, insurance_type with pay_ratio and both insured shares (six decimals).

    `lines`: settlement lines with `drug`, agreement_quantity, person_times (null where unknown), charge, fund (fen),
    local. The pay ratio is that of the insurance type's own local use; the shares are of all use of the drug in the
    institution, so that those of the insurance types add up to the insured share as a whole.
    """
    whole_use = ["institution", "drug", "year"]
    local = pl.col("local")
    own = lines.group_by(*whole_use, "insurance_type").agg(
        pl.col("charge", "fund", "agreement_quantity", "person_times").filter(local).sum()
    )
    use = lines.group_by(whole_use).agg(
        pl.col("agreement_quantity").sum().alias("_quantity"), pl.col("person_times").sum().alias("_times")
    )
    joined = own.join(use, on=whole_use)
    return joined.select(
        *whole_use,
        "insurance_type",
        ratio(wide("fund"), wide("charge")).alias("pay_ratio"),
        ratio(millionths("agreement_quantity"), millionths("_quantity")).alias("insured_quantity"),
        ratio(wide("person_times"), wide("_times")).alias("insured_person_times"),
    ).sort(*whole_use, "insurance_type")


def _refuse_open(rule: Retention) -> None:
    """Refuse a rule that leaves a choice open: none has a value that holds everywhere."""
    wanted = {
        "keep": Text("留用比例表", "shares kept by score"),
        "insured_share": Text("参保占比口径", "definition of the insured share"),
        "floor_at": Text("归零层级", "where the floor at zero stands"),
        "nonwin_scope": Text("扣减的非中选范围", "which non-winning purchases are deducted"),
    }
    faults = [
        Text(f"结余留用规则未写 {key}（{text.zh}）", f"the retention rule does not state {key} ({text.en})")
        for key, text in wanted.items()
        if not getattr(rule, key)
    ]
    if faults:
        raise UserError(faults)


def _refuse_rows(rows: pl.DataFrame, rule: Retention, nonwin: str, insured: str) -> None:
    """Refuse rows that lack a column or hold a value out of bounds."""
    money = ["case_budget", "case_spend"] if rule.exclude_case_payment else []
    amounts = ["base_quantity", "agreed_quantity", "pre_price", "agreed_amount", nonwin]
    ratios = ["pay_ratio", insured]
    need(rows, [*KEYS, *amounts, "purchased_quantity", *ratios, "score", *money], "结余留用", "retention")
    bounds = {column: pl.col(column) < 0 for column in [*amounts, *money]}
    bounds |= {column: ~pl.col(column).is_between(0, 1) for column in ratios}
    if "change" in rows.columns:
        bounds["change"] = pl.col("change") < -1
    faults = []
    for column, wrong in bounds.items():
        if count := rows.filter(wrong | pl.col(column).is_null()).height:
            faults.append(
                Text(f"{count} 行的 {column} 为空或越界", f"{count} rows have no {column} or one out of bounds")
            )
    if twice := int(rows.select(KEYS).is_duplicated().sum()):
        faults.append(Text(f"{twice} 行重复", f"{twice} rows share batch, institution, drug, year and insurance type"))
    if faults:
        raise UserError(faults)
    terms = 1 if rule.floor_at == "drug" else max(rows.group_by(GROUP).len()["len"].to_list(), default=1)
    refuse_too_large(rows, [["base_quantity", "pre_price"], ["agreed_amount"]], float(MILLION) ** 4 * 2, terms)


def _optional(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with the columns that may be absent."""
    absent = {"change": pl.lit(0), "listed": pl.lit(value=True)}
    return rows.with_columns(value.alias(name) for name, value in absent.items() if name not in rows.columns)


def _budget(insured: str, rule: Retention) -> pl.Expr:
    share = millionths("pay_ratio") * millionths(insured) * (millionths("change") + whole(MILLION))
    budget = wide("base_quantity") * millionths("pre_price") * share
    return budget - wide("case_budget") * whole(DENOMINATOR) if rule.exclude_case_payment else budget


def _spend(nonwin: str, insured: str, rule: Retention) -> pl.Expr:
    share = millionths("pay_ratio") * millionths(insured) * whole(MILLION)
    spend = (millionths("agreed_amount") + wide(nonwin) * whole(AMOUNTS)) * share
    return spend - wide("case_spend") * whole(DENOMINATOR) if rule.exclude_case_payment else spend


def _keep(rule: Retention) -> pl.Expr:
    """Return the share kept by score, in millionths; nothing without a score."""
    keep = whole(0)
    for band in reversed(rule.keep):
        share = whole(int((band.share or 0) * MILLION))
        bound = None if band.score_from is None else whole(int(band.score_from * MILLION))
        reached = pl.lit(value=True) if bound is None else millionths("score") >= bound
        keep = pl.when(reached).then(share).otherwise(keep)
    return pl.when(pl.col("score").is_not_null()).then(keep).otherwise(whole(0))


def _reason(rule: Retention) -> pl.Expr:
    """Return why a row keeps or does not: the first that applies."""
    least = whole(MILLION - int(rule.tolerance * MILLION))
    short = millionths("purchased_quantity") * MILLION < wide("agreed_quantity") * MILLION * least
    return (
        pl.when(~pl.col("listed"))
        .then(pl.lit("not_listed"))
        .when(short.fill_null(value=True))
        .then(pl.lit("not_completed"))
        .when(pl.col("score").is_null())
        .then(pl.lit("not_assessed"))
        .when(pl.col("_keep") == 0)
        .then(pl.lit("assessed_to_nothing"))
        .when(pl.col("_surplus") <= 0)
        .then(pl.lit("no_surplus"))
        .otherwise(pl.lit("kept"))
    )


def _at_drug(frame: pl.DataFrame, rule: Retention) -> pl.DataFrame:
    """Keep each drug's surplus by itself."""
    kept = pl.when(pl.col("reason") == "kept").then(pl.col("_surplus")).otherwise(whole(0))
    return frame.with_columns(rounded(Exact(kept, DENOMINATOR), rule.mode, pl.col("_keep")).alias("retained"))


def _at_institution(frame: pl.DataFrame, rule: Retention) -> pl.DataFrame:
    """Net the drugs of an institution and batch first, and share what is kept over the drugs that saved.

    A drug that may not be kept adds nothing, and its overspending counts all the same.
    """
    shares = frame.filter(pl.col("_keep") > 0).group_by(GROUP).agg(pl.col("_keep").n_unique().alias("n"))
    if uneven := shares.filter(pl.col("n") > 1).height:
        zh = f"{uneven} 个机构各药品的留用比例不同，不能按机构归零"
        en = f"{uneven} institutions keep different shares of their drugs: the floor cannot stand at the institution"
        raise UserError(Text(zh, en))
    saved = pl.when(pl.col("reason") == "kept").then(pl.col("_surplus")).otherwise(whole(0))
    lost = pl.when(pl.col("_surplus") < 0).then(pl.col("_surplus")).otherwise(whole(0))
    net = (saved + lost).sum().over(GROUP).clip(lower_bound=0)
    total = rounded(Exact(net, DENOMINATOR), rule.mode, pl.col("_keep").max().over(GROUP))
    millionths_of_fen = (saved // whole(DENOMINATOR // MILLION)).cast(pl.Int64)
    totals = frame.with_columns(total.alias("_total"), millionths_of_fen.alias("_saved"))
    nothing = (pl.col("reason") == "kept") & (pl.col("_total") == 0)
    reason = pl.when(nothing).then(pl.lit("no_surplus")).otherwise("reason")
    return shared(totals.with_columns(reason.alias("reason")), "_total", "_saved", GROUP, ["drug"], "retained")
