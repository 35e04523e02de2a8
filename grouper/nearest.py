"""Near names: what the writer of an unknown name probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches

from grouper.fault import Text


def near_names(name: str, known: Iterable[str]) -> Text:
    """Return a clause that names up to three known names near `name`, or an empty one."""
    near = get_close_matches(name, list(known), n=3)
    if not near:
        return Text("", "")
    return Text(f"（是否为 {'、'.join(near)}？）", f" (did you mean {', '.join(near)}?)")
