"""Diagnosis and procedure codes: how they are compared, the national lists, and the crosswalk between versions.

Source: the national code standards, ICD-10 and ICD-9-CM-3 insurance version 2.0 (医保版 2.0) and clinical version 2.0
(国家临床版 2.0); the lists stand in grouper/code_lists.
"""

import csv
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from grouper.fault import Text, UserError

CODE_LISTS = Path(__file__).parent / "code_lists"
DIAGNOSES = "icd10-insurance-2.0"
PROCEDURES = "icd9cm3-insurance-2.0"


def fold(code: str) -> str:
    """Return the key by which codes are compared: half width, without blanks, case folded."""
    if not code.isascii():
        code = unicodedata.normalize("NFKC", code)
    return "".join(code.split()).casefold()


@dataclass(frozen=True)
class CodeList:
    """A national code list. Keys of `official` and `names` are folded codes."""

    id: str
    official: Mapping[str, str]
    names: Mapping[str, str]

    def spelling(self, folded: str) -> str:
        """Return the official spelling of a folded code, or the code itself where the list has none."""
        return self.official.get(folded, folded)

    def name(self, code: str) -> str:
        """Return the official name of a code in any spelling, or an empty string."""
        return self.names.get(fold(code), "")

    def search(self, text: str) -> list[tuple[str, str]]:
        """Return code and name of every entry whose code begins with, or whose name contains, the text."""
        wanted = fold(text)
        return [
            (code, self.names[key])
            for key, code in self.official.items()
            if wanted and (key.startswith(wanted) or wanted in fold(self.names[key]))
        ]


@cache
def load_code_list(name: str) -> CodeList:
    """Load grouper/code_lists/<name>.csv (columns code, name). Raises UserError where there is no such list."""
    path = CODE_LISTS / f"{name}.csv"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in CODE_LISTS.glob("*.csv") if "-to-" not in file.stem))
        raise UserError(Text(f"没有编码表“{name}”；现有：{known}", f"no code list {name!r}; there are {known}"))
    with path.open(encoding="utf-8", newline="") as file:
        rows = [(fold(row["code"]), row["code"], row["name"]) for row in csv.DictReader(file)]
    return CodeList(name, {key: code for key, code, _ in rows}, {key: label for key, _, label in rows})


@dataclass(frozen=True)
class Crosswalk:
    """Codes of one version -> codes of another; both folded. A code may have no counterpart."""

    id: str
    target: Mapping[str, str]

    def convert(self, folded: str) -> str | None:
        """Return the counterpart of a folded code, or None where the crosswalk has none."""
        return self.target.get(folded)


@cache
def clinical_crosswalk(kind: str) -> Crosswalk:
    """Load the crosswalk from the clinical version 2.0 to the insurance version 2.0; kind is icd10 or icd9cm3."""
    path = CODE_LISTS / f"{kind}-clinical-2.0-to-insurance-2.0.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        target = {fold(row["clinical"]): fold(row["insurance"]) for row in rows if row["insurance"].strip()}
    return Crosswalk(path.stem, target)
