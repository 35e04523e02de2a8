"""The tables of procurement (spec: institution × winning bid × year, purchases, settlement lines, products).

Units are explicit: every quantity stands beside the name of its unit, prices are yuan for one such unit, money is fen.
"""

from typing import Literal, NamedTuple

import polars as pl

from rules.fault import Text, UserError, near

Kind = Literal["text", "whole", "fen", "price", "number", "day", "month", "flag"]
ROLES = ("main", "backup", "winner_elsewhere", "non_winning")
"""主供, 备供, 中选非供应, 非中选: the role of a product in one region at one time."""


class Column(NamedTuple):
    """One column: name, kind, meaning, unit, the official or platform name, and whether it must be there.

    text; whole: Int64; fen: Int64; price (yuan) and number: decimals with at most six places; day: Date;
    month: Int32, year × 100 + month; flag: Boolean.
    """

    name: str
    kind: Kind
    zh: str
    en: str
    unit: str = ""
    official: str = ""
    needed: bool = True
    choices: tuple[str, ...] = ()


class Table(NamedTuple):
    """One table: its columns and the columns that name a row; without a key rows may repeat."""

    name: str
    zh: str
    en: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()


DTYPES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "whole": pl.Int64(),
    "fen": pl.Int64(),
    "price": pl.Decimal(18, 6),
    "number": pl.Decimal(18, 6),
    "day": pl.Date(),
    "month": pl.Int32(),
    "flag": pl.Boolean(),
}

INSTITUTION = Column("institution", "text", "机构代码", "institution", official="fixmedins_code")
PRODUCT = Column("product", "text", "国家医保药品代码", "product", official="med_list_codg")
BID = Column("bid", "text", "中选标的（联合体为一）", "winning bid, one for all members of a joint bid")
UNIT = Column("unit", "text", "数量单位", "unit of the quantity: the product's least unit or its pack")
MONTH = Column("month", "month", "采购月份", "month of the order")

PRODUCTS = Table(
    "products",
    "产品",
    "products",
    (
        PRODUCT,
        Column("generic", "text", "通用名与剂型组", "generic name and form group", official="genname_codg"),
        Column("form", "text", "剂型", "dosage form", official="drug_dosform", needed=False),
        Column("strength", "number", "含量", "strength of one least unit", "strength_unit", needed=False),
        Column("strength_unit", "text", "含量单位", "unit of the strength", needed=False),
        Column("min_unit", "text", "最小使用单位", "least unit", official="min_useunt"),
        Column("pack_unit", "text", "包装单位", "pack", official="pacspec"),
        Column("units_per_pack", "whole", "转换系数", "least units in a pack", "min_unit"),
        Column("agreement_factor", "number", "约定单位折算", "agreement units in a least unit", "agreement unit"),
        Column("manufacturer", "text", "生产企业", "maker", official="prodentp_name", needed=False),
        Column("passed", "flag", "通过一致性评价", "passed the consistency evaluation", needed=False),
        Column("listed", "flag", "医保目录内", "on the reimbursement list", needed=False),
    ),
    ("product",),
)
WINNING = Table(
    "winning",
    "中选结果",
    "winning list",
    (
        Column("batch", "text", "批次", "batch"),
        BID,
        PRODUCT,
        Column("region", "text", "供应地区", "region supplied"),
        Column("role", "text", "供应角色", "role in the region", choices=ROLES),
        Column("price", "price", "中选价", "winning price of one price unit", "yuan"),
        Column("price_unit", "text", "计价单位", "unit of the price"),
        Column("base_price", "price", "集采前价格", "price before", "yuan", needed=False),
        Column("ceiling_price", "price", "最高有效申报价", "ceiling price", "yuan", needed=False),
        Column("valid_from", "day", "起", "valid from"),
        Column("valid_to", "day", "止", "valid to"),
    ),
    ("batch", "bid", "product", "region", "valid_from"),
)
AGREED = Table(
    "agreed",
    "约定采购量",
    "agreed volumes",
    (
        Column("batch", "text", "批次", "batch"),
        INSTITUTION,
        BID,
        Column("year", "whole", "协议年度", "agreement year"),
        Column("quantity", "number", "约定采购量", "agreed quantity", "agreement unit"),
        Column("reported", "number", "报量", "reported demand", "agreement unit", needed=False),
        Column("starts", "day", "协议起", "first day"),
        Column("ends", "day", "协议止", "last day"),
        Column("contract", "text", "合同号", "contract", official="ContractNo", needed=False),
    ),
    ("batch", "institution", "bid", "year"),
)
PURCHASES = Table(
    "purchases",
    "采购明细",
    "purchases",
    (
        INSTITUTION,
        PRODUCT,
        MONTH,
        Column("quantity", "whole", "采购数量", "quantity, below zero where returned", "unit", "THSL"),
        UNIT,
        Column("amount", "fen", "采购金额", "amount", "fen", "THZJ"),
        Column("returned", "flag", "退货或红票", "return or red invoice"),
        Column("original_month", "month", "原订单月份", "month of the order that is returned", needed=False),
        Column("on_platform", "flag", "网采", "bought on the platform", needed=False),
    ),
)
SETTLEMENT_LINES = Table(
    "settlement_lines",
    "结算明细",
    "settlement lines",
    (
        INSTITUTION,
        PRODUCT,
        Column("insurance_type", "text", "险种", "insurance type", official="insutype"),
        Column("year", "whole", "年度", "year of use"),
        Column("quantity", "number", "使用量", "quantity used", "unit"),
        UNIT,
        Column("charge", "fen", "费用", "charge", "fen", "det_item_fee_sumamt"),
        Column("in_scope", "fen", "政策范围内费用", "charge in scope", "fen", "inscp_scp_amt", needed=False),
        Column("fund", "fen", "基金支付", "paid by the fund", "fen", "fund_pay_sumamt"),
        Column("excess", "fen", "超限价自费", "above the payment standard", "fen", "overlmt_amt", needed=False),
        Column("person_times", "whole", "人次", "person-times", "person-times", needed=False),
        Column("local", "flag", "本统筹区参保", "insured here"),
        Column("by_case", "flag", "按病种付费", "used in a stay paid by DRG or DIP", needed=False),
    ),
)
TABLES = {table.name: table for table in (PRODUCTS, WINNING, AGREED, PURCHASES, SETTLEMENT_LINES)}
"""Every table by name."""


def conform(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Return the table's columns in its order and types; other columns are left out.

    UserError with every fault at once: columns that are missing, cells of the wrong kind or empty (counted, the first
    rows named), words outside the choices, rows with one key. A binary float is refused: it has lost its digits.
    """
    faults: list[Text] = []
    columns: list[pl.Series] = []
    for column in table.columns:
        if column.name in frame.columns:
            columns.append(_cells(frame[column.name], column, faults))
        elif column.needed:
            hint = near(column.name, set(frame.columns) - {known.name for known in table.columns})
            faults.append(Text(f"缺少列 {column.name}（{column.zh}）{hint.zh}", f"no column {column.name}{hint.en}"))
    if not faults and table.key:
        _refuse_twice(pl.DataFrame(columns), table, faults)
    if faults:
        raise UserError([Text(f"{table.zh}：{fault.zh}", f"{table.en}: {fault.en}") for fault in faults])
    return pl.DataFrame(columns)


def _cells(cells: pl.Series, column: Column, faults: list[Text]) -> pl.Series:
    """Return a column in its type; what does not fit is added to the faults."""
    dtype = DTYPES[column.kind]
    if cells.dtype.is_float() and column.kind in {"whole", "fen", "price", "number"}:
        zh, en = f"{column.name} 为浮点数，已失真：请按文本读入", f"{column.name} holds binary floats: read it as text"
        faults.append(Text(zh, en))
        return cells
    typed = cells.cast(dtype, strict=False)
    empty = typed.is_null() & cells.is_null()
    wrong = typed.is_null() & cells.is_not_null()
    if column.kind in {"price", "number"}:
        wrong |= cells.cast(pl.Decimal(38, 12), strict=False) != typed.cast(pl.Decimal(38, 12))
    if column.choices:
        wrong |= ~typed.is_in(column.choices) & typed.is_not_null()
    if column.kind == "month":
        wrong |= ~(typed % 100).is_between(1, 12) & typed.is_not_null()
    if wrong.any():
        expected = f"：{'、'.join(column.choices)}" if column.choices else ""
        what = _counted(column, wrong, cells)
        known = f": {', '.join(column.choices)}" if column.choices else ""
        faults.append(
            Text(f"{what.zh} 不合 {column.kind}{expected}", f"{what.en} do not fit the kind {column.kind}{known}")
        )
    if column.needed and empty.any():
        what = _counted(column, empty, None)
        faults.append(Text(f"{what.zh} 为空", f"{what.en} are empty"))
    return typed


def _counted(column: Column, rows: pl.Series, cells: pl.Series | None) -> Text:
    """Say how many cells are meant and where the first stand, counting rows from 1."""
    places = rows.arg_true()
    first = ", ".join(str(n + 1) if cells is None else f"{n + 1} ({cells[n]})" for n in places.head(3))
    return Text(
        f"{column.name} 有 {len(places)} 格（第 {first} 行）", f"{column.name}: {len(places)} cells (row {first})"
    )


def _refuse_twice(frame: pl.DataFrame, table: Table, faults: list[Text]) -> None:
    """Add a fault where rows share their key."""
    key = frame.select(table.key)
    if twice := int(key.is_duplicated().sum()):
        example = ", ".join(str(cell) for cell in key.filter(key.is_duplicated()).row(0))
        names = ", ".join(table.key)
        faults.append(
            Text(f"{twice} 行的 {names} 重复，如 {example}", f"{twice} rows share {names}, such as {example}")
        )
