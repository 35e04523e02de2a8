"""Which ties between rows of a directory the table alone can break, and which need the record."""

from typing import Any

from grouper.dip.directory import Directory, GroupRow, Tie


def split_ties(directory: Directory) -> tuple[tuple[Tie, ...], tuple[Tie, ...]]:
    """Return the ties that the table alone can break, as far as they come first, and those that need the record."""
    switches = directory.head.switches
    ties: tuple[Tie, ...] = (*switches.ties, "sequence")
    by_record = {"matched", "exact", "first_procedure", "mean_cost"}
    if switches.parts == "any" or switches.related_and == "tighter":
        by_record.add("parts")
    first = next(at for at, tie in enumerate(ties) if tie in by_record or tie == "sequence")
    return (ties[: first + 1], ()) if ties[first] == "sequence" else (ties[:first], ties[first:])


def settled_by_table(directory: Directory) -> dict[tuple[int, int], int]:
    """Return the rank of each row (by sequence) and specificity: equal where only the record can tell rows apart."""
    static, _ = split_ties(directory)
    order, sequences = directory.head.order, directory.head.switches.in_sequence
    keys: dict[tuple[int, int], tuple[Any, ...]] = {}
    for row in directory.groups:
        ties: tuple[Tie, ...] = ("sequence",) if order[row.entry] in sequences else static
        for specificity in range(4):
            keys[row.sequence, specificity] = (row.entry, *(_static(tie, row, specificity) for tie in ties))
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys.values())))}
    return {row: ranks[key] for row, key in keys.items()}


def _static(tie: Tie, row: GroupRow, specificity: int) -> Any:  # noqa: ANN401  (whatever compares)
    if tie == "specificity":
        return -specificity
    if tie == "parts":
        asked = (expression[0] for expression in (row.related, row.procedures) if expression)
        return -sum(part.needed for conjunction in asked for part in conjunction)
    if tie == "score":
        return -row.score if row.score is not None else 1
    return row.sequence
