"""The closed list of reasons and findings of claims: every name a reject, a check or a finding may carry.

docs/claims.md prints this list; a test compares the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from grouper.fault import Text

Use = Literal["reject", "check", "finding"]
Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Reason:
    """A named fault of a claim.

    `use` says what it does: a reject always rejects the row, a check warns or rejects as the policy says, a finding is
    only counted.
    """

    code: str
    use: Use
    severity: Severity
    text: Text


def _reject(code: str, zh: str, en: str) -> Reason:
    return Reason(code, "reject", "error", Text(zh, en))


def _check(code: str, zh: str, en: str) -> Reason:
    return Reason(code, "check", "warning", Text(zh, en))


def _finding(code: str, severity: Severity, zh: str, en: str) -> Reason:
    return Reason(code, "finding", severity, Text(zh, en))


REASONS = (
    _reject("missing_case_id", "结算号为空", "the case has no id"),
    _reject(
        "duplicate_case_id",
        "结算号重复，所有同号记录均拒收",
        "the case id is used twice; every row with it is rejected",
    ),
    _reject("unparsable_value", "无法识别的值", "a value cannot be read"),
    _reject("ragged_row", "该行的列数与表头不符", "the row has more or fewer cells than the header"),
    _reject(
        "missing_value",
        "缺少结算不可缺少的值（drgdip settle）",
        "a value is missing that a case cannot be settled without (drgdip settle)",
    ),
    _check("total_adds_up", "总费用 ≠ 基金支付 + 个人负担 + 医院负担", "total charge is not fund + patient + hospital"),
    _check("fund_adds_up", "基金支付总额 ≠ 各基金支付之和", "the fund total is not the sum of its parts"),
    _check("stay_matches_dates", "住院天数与出入院日期不符", "the length of stay differs from the dates"),
    _check("dates_in_order", "入院、出院、结算时间顺序有误", "admission, discharge and settlement are out of order"),
    _check("ages_agree", "年龄与天龄（或出生日期）不符", "age disagrees with age in days or the date of birth"),
    _check("future_date", "日期晚于核对日", "a date lies after the day of the check"),
    _check("no_diagnosis", "没有诊断编码", "the case has no diagnosis"),
    _check("empty_code", "编码列表中有空编码", "a list of codes has an empty entry"),
    _check("malformed_code", "编码格式不正确", "a code is malformed"),
    _check("tcm_principal", "主要诊断为中医编码", "the principal diagnosis is a TCM code"),
    _check("sex_of_diagnosis", "主要诊断与性别不符", "the principal diagnosis does not fit the sex"),
    _check("negative_amount", "非退费记录的金额为负", "an amount is negative but the row is no refund"),
    _check(
        "third_decimal", "金额超过两位小数，已四舍五入到分", "an amount has more than two decimals; rounded to the fen"
    ),
    _check(
        "negative_value",
        "年龄、天数或体重为负，按缺失处理",
        "a negative age, count of days or weight; taken as missing",
    ),
    _check("unknown_sex", "性别不是 1 或 2，按缺失处理", "sex is neither 1 nor 2; taken as missing"),
    _check(
        "shifted_time",
        "日期带有 16:00，可能是早 8 小时的 UTC 时间",
        "a date carries 16:00: probably UTC, 8 hours early",
    ),
    _finding(
        "absent_column", "info", "文件中没有该列，按全部缺失处理", "the column is not in the files; taken as missing"
    ),
    _finding(
        "numeric_id",
        "warning",
        "编号或编码以数字存储，前导零可能已丢失",
        "ids or codes stored as numbers: leading zeros are lost",
    ),
    _finding(
        "ignored_file", "info", "文件夹中的该文件不是数据文件，已忽略", "a file of the folder is no data file; ignored"
    ),
    _finding(
        "unmatched_code_row", "warning", "诊断或手术表中有找不到病例的行", "a row of a code table belongs to no claim"
    ),
    _finding("unknown_code", "warning", "分组方案中没有的编码", "a code that the scheme does not know"),
    _finding("mended_code", "info", "编码的空格、大小写或全半角已修正", "blanks, case or width of a code were mended"),
    _finding(
        "converted_code", "info", "临床版编码已转换为医保版", "a clinical code was converted to the insurance version"
    ),
    _finding(
        "unmapped_code",
        "warning",
        "临床版编码无对应的医保版编码，保留原码",
        "a clinical code without a counterpart; kept as it is",
    ),
    _finding(
        "missing_age",
        "warning",
        "年龄缺失，与年龄有关的条件不成立",
        "the age is missing: comparisons with it are false",
    ),
    _finding("missing_age_days", "warning", "0 岁病例缺天龄", "an infant without age in days"),
    _finding(
        "missing_newborn_weight", "warning", "28 天以内新生儿缺体重", "a newborn of at most 28 days without weight"
    ),
)

BY_CODE: Mapping[str, Reason] = {reason.code: reason for reason in REASONS}
CHECKS = tuple(reason.code for reason in REASONS if reason.use == "check")
