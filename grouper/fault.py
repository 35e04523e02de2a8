"""Faults for the person who can mend them: where, what is wrong, what would be right, in Chinese and English."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Lang = Literal["zh", "en"]


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


class CannotWriteError(UserError):
    """The output cannot be written: no room, no permission, or something there that is not ours to replace."""
