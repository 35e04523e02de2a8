"""Faults for the person who can mend them: where, what is wrong, what would be right, in Chinese and English."""

import difflib
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Text(NamedTuple):
    """One sentence in both languages."""

    zh: str
    en: str

    def text(self, lang: str) -> str:
        """Return the sentence in `lang` ("zh" or "en")."""
        return self.zh if lang == "zh" else self.en


class UserError(Exception):
    """Bad input or bad data. Carries every fault found, so that one run names them all."""

    def __init__(self, faults: Text | Sequence[Text]) -> None:
        self.faults: tuple[Text, ...] = (faults,) if isinstance(faults, Text) else tuple(faults)
        super().__init__("\n".join(fault.en for fault in self.faults))

    def text(self, lang: str) -> str:
        """Return all faults in `lang`, one a line."""
        return "\n".join(fault.text(lang) for fault in self.faults)


def near(word: str, known: Iterable[str]) -> Text:
    """Return the end of a message that offers the known names nearest to `word`, or every name where there are few."""
    names = sorted(set(known))
    matches = difflib.get_close_matches(word, names, n=3, cutoff=0.6)
    if matches:
        return Text(f"；是否应为 {'、'.join(matches)}？", f"; did you mean {', '.join(matches)}?")
    if 0 < len(names) <= 12:
        return Text(f"；可用：{'、'.join(names)}", f"; known: {', '.join(names)}")
    return Text("", "")


def at(file: object, where: str, zh: str, en: str) -> Text:
    """Return a message about one place of a file: a key path, or a row and column."""
    return Text(f"{file}：{where}：{zh}", f"{file}: {where}: {en}") if where else Text(f"{file}：{zh}", f"{file}: {en}")
