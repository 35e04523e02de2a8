"""Explain the DIP group of one case, line by line."""

from grouper.dip.directory import GroupRow


def describe(row: GroupRow) -> str:
    """Return the name of a group, or what the table says of it where it has no names."""
    return row.name or row.code
