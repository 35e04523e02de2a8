"""What the codes of a ledger are called on paper, in both languages."""

from collections.abc import Mapping

from grouper.fault import Text

CLASSES: Mapping[str, Text] = {
    "normal": Text("正常", "normal"),
    "high": Text("高倍率", "high"),
    "low": Text("低倍率", "low"),
    "extreme": Text("极高倍率", "extreme"),
    "ungrouped": Text("未入组", "ungrouped"),
    "special": Text("特殊病例", "special"),
}
LATE: Mapping[str, Text] = {
    "no": Text("", ""),
    "late": Text("迟到", "late"),
    "prior_year": Text("以前年度", "prior year"),
}
DEDUCTION_STATES: Mapping[str, Text] = {
    "suspected": Text("疑似", "suspected"),
    "appealed": Text("申诉中", "appealed"),
    "confirmed": Text("已确认", "confirmed"),
}
STATES: Mapping[str, Text] = {
    "computed": Text("已计算", "computed"),
    "sent": Text("已发送", "sent"),
    "confirmed": Text("已确认", "confirmed"),
    "disputed": Text("有异议", "disputed"),
    "approved": Text("已审批", "approved"),
    "paid": Text("已拨付", "paid"),
}
BATCH_KINDS: Mapping[str, Text] = {
    "month": Text("月结算", "month"),
    "clearing": Text("清算", "clearing"),
    "undo": Text("撤销", "undo"),
    "decisions": Text("特例单议", "decisions"),
    "deductions": Text("审核扣款", "deductions"),
    "cash": Text("现金", "cash"),
    "states": Text("状态", "states"),
    "prune": Text("清理明细", "prune"),
}
STAGES: Mapping[str, Text] = {
    "final": Text("年终清算", "final clearing"),
    "trial": Text("试算", "trial clearing"),
    "quarterly": Text("季度清算", "quarterly clearing"),
}


def said(words: Mapping[str, Text], lang: str) -> dict[str, str]:
    """Return the words of one language."""
    return {code: text.text(lang) for code, text in words.items()}
