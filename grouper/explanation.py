"""What an explanation of one case's group is: sections of lines in both languages."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from grouper.fault import Text

Group = TypeVar("Group")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its lines."""

    title: Text
    lines: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Explanation(Generic[Group]):
    """The group of one case and how it came about."""

    group: Group
    sections: tuple[Section, ...]

    def text(self, lang: str) -> str:
        """Return the whole explanation in `lang`, ready to print."""
        parts = []
        for section in self.sections:
            parts += [section.title.text(lang), *(f"  {line.text(lang)}" for line in section.lines), ""]
        return "\n".join(parts).rstrip()
