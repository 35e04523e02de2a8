"""Where a saving lands: four accounts by how the case is paid (spec 1.14).

A lower price is the fund's and the patient's only where charges are paid. Under a fixed rate it is the hospital's until
the rate or the weights follow; with closed points the hospitals keep it together and share it anew among themselves;
where the bureau cuts the budget it is the fund's in the same year.
"""

from typing import Literal

import polars as pl

from rules.fault import Text, UserError
from rules.money import Mode
from rules.payment.columns import need
from rules.procurement.exact import MILLION, Exact, millionths, rounded, wide

Copay = Literal["group_price", "charges"]
FundPart = Literal["fixed", "rest"]
PAYMENTS = {
    "fee_for_service": Text("即时，减去结余留用", "at once, less retention"),
    "fixed_rate": Text("至下次测算费率、权重", "until rates and weights are measured anew"),
    "closed_points": Text(
        "基金总额不变，医院之间至权重重算", "the fund pays the same; among hospitals until weights follow"
    ),
    "budget_cut": Text("当年", "in the same year"),
}
"""How a case is paid, and until when the saving stays where it lands."""


def where_it_lands(
    savings: pl.DataFrame, copay: Copay, fund_part: FundPart, mode: Mode = "half_away_from_zero"
) -> pl.DataFrame:
    """Return the rows with fund, patients and hospitals (fen); the three add up to the saving.

    `savings`: payment (a name of PAYMENTS), saving, retained, budget_cut (fen), pay_ratio (at most six decimals).
    `copay`: patients pay by the price of the group, and nothing moves for them, or by charges, and their part falls.
    `fund_part` then tells who feels it under a fixed rate: the fund's part is fixed (ratio and policy-ratio style) and
    the hospital receives less, or the fund pays the rest of the standard (subtract style) and pays more.
    Rounded once a row: the patients' part.
    """
    need(savings, ["payment", "saving", "retained", "budget_cut", "pay_ratio"], "四账户", "the four accounts")
    unknown = savings.filter(~pl.col("payment").is_in(list(PAYMENTS)))["payment"].unique().sort().to_list()
    cut = savings.filter((pl.col("payment") != "budget_cut") & (pl.col("budget_cut") != 0)).height
    faults = [Text(f"未知的支付方式 {name}", f"unknown payment {name}") for name in map(str, unknown)]
    if cut:
        zh, en = f"{cut} 行不是 budget_cut 而有扣减额", f"{cut} rows have a cut of the budget without that payment"
        faults.append(Text(zh, en))
    if faults:
        raise UserError(faults)
    by_charges = pl.col("payment") == "fee_for_service"
    theirs = rounded(Exact(wide("saving") * (MILLION - millionths("pay_ratio")), MILLION), mode)
    moves = by_charges if copay == "group_price" else pl.lit(value=True)
    rows = savings.with_columns(pl.when(moves).then(theirs).otherwise(0).alias("patients"))
    filled = pl.col("patients") if fund_part == "rest" else 0
    fund = pl.when(by_charges).then(pl.col("saving") - pl.col("patients")).otherwise(pl.col("budget_cut") - filled)
    rows = rows.with_columns((fund - pl.col("retained")).alias("fund"))
    hospitals = (pl.col("saving") - pl.col("fund") - pl.col("patients")).alias("hospitals")
    return rows.select(*savings.columns, "fund", "patients", hospitals)
