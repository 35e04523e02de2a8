"""Records made from a scheme's rules: designed to land in each group, then changed at random near every boundary.

Nothing here groups a record: what is expected of the records comes from elsewhere. Same arguments, same records.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from grouper.drg.reference import Record
from grouper.rule_language import And, Comparison, Count, Membership, Or, Rule, atoms
from grouper.scheme.pack import RuleRow, Scheme

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NUMBERS = {
    "sex": pa.int8(),
    "age": pa.int16(),
    "age_days": pa.int32(),
    "birth_weight": pa.int32(),
    "admission_weight": pa.int32(),
    "length_of_stay": pa.int32(),
}
NULL = -1
_MISSING = -(2**31)
"""A number that is to be null; -1 is a number like any other."""
_BLANKS = ("", " ", "\u3000", "\t")
_UNKNOWN = ("Q99.999x999", "99.9999x99", "不详", "17.96510", "*")
_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_BOUNDARIES: dict[str, tuple[int, ...]] = {
    "sex": (0, 1, 2, 9, _MISSING),
    "age": (-1, 0, 0, 1, 5, 6, 7, 17, 18, 69, 70, 71, 120, _MISSING),
    "age_days": (0, 1, 27, 28, 29, 30, 364, 365, 366, 367, 25_000, _MISSING),
    "birth_weight": (0, 1, 999, 1000, 1499, 1500, 1999, 2000, 2499, 2500, 4000, _MISSING),
    "admission_weight": (0, 1, 999, 1000, 1499, 1500, 1999, 2000, 2499, 2500, 4000, _MISSING),
    "length_of_stay": (0, 1, 2, 3, 5, 6, 7, 12, 13, 14, 15, 60, _MISSING),
}
_COLUMN = {"NL": "age", "XB": "sex", "XSRTL": "age_days", "ZYTS": "length_of_stay"}
_HIGHEST = {"NL": 110, "XB": 2, "XSRTL": 366, "XSRTZ": 6000, "ZYTS": 90}
_MOST_SAMPLED = 16


class Design(NamedTuple):
    """A record meant for a group, and complications that its principal diagnosis leaves counted or takes out."""

    target: str
    record: Record
    counted: tuple[str, ...]
    excluded: tuple[str, ...]


@dataclass
class _Draft:
    """What the rules chosen so far ask of a record."""

    principal: dict[str, list[frozenset[str]]] = field(default_factory=lambda: {"ZYZD": [], "ZYSS": []})
    others: dict[str, list[frozenset[str]]] = field(default_factory=lambda: {"QTZD": [], "QTSS": []})
    barred: dict[str, list[frozenset[str]]] = field(
        default_factory=lambda: {"ZYZD": [], "QTZD": [], "ZYSS": [], "QTSS": []}
    )
    levels: list[str] = field(default_factory=list)
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)


class Designer:
    """Designs records for the groups of one scheme."""

    def __init__(self, scheme: Scheme, seed: int) -> None:
        self.scheme = scheme
        self.random = np.random.default_rng(seed)
        self._sorted: dict[frozenset[str], list[str]] = {}
        self._unions: dict[tuple[str, ...], frozenset[str]] = {}
        self._excluding: dict[str, list[str]] = {}
        for table in sorted(scheme.exclusions):
            for code in scheme.exclusions[table]:
                self._excluding.setdefault(code, []).append(table)
        self._complications: dict[str, list[str]] = {"MCC": [], "CC": []}
        self._subject: dict[str, list[str]] = {}
        for code, complication in sorted(scheme.complications.items()):
            self._complications[complication.level].append(code)
            if complication.exclusion is not None:
                self._subject.setdefault(complication.exclusion, []).append(code)

    def targets(self) -> Iterator[tuple[RuleRow, RuleRow, RuleRow]]:
        """Yield every MDC, ADRG and DRG row that belong together."""
        for mdc in self.scheme.mdcs:
            for adrg in self.scheme.adrgs.get(mdc.code, ()):
                for drg in self.scheme.drgs.get(adrg.code, ()):
                    yield mdc, adrg, drg

    def design(self, mdc: RuleRow, adrg: RuleRow, drg: RuleRow) -> Design | None:
        """Design one record for a DRG row; None where the conditions picked at random contradict each other."""
        draft = _Draft()
        for row in (mdc, adrg, drg):
            self._require(row.rule, draft)
        earlier = self._earlier[adrg.code]
        principal = self._principal_diagnosis(draft, earlier)
        if principal is None:
            return None
        diagnoses = [principal, *self._other_codes(draft, "QTZD", earlier)]
        diagnoses += [code for level in draft.levels if (code := self._counted(level, principal))]
        procedures = self._procedures(draft, earlier)
        if procedures is None:
            return None
        record = Record(diagnoses, procedures, **self._numbers(draft))
        counted = tuple(code for level in ("MCC", "CC") if (code := self._counted(level, principal)))
        return Design(drg.code, record, counted, tuple(self._excluded(principal)))

    def _require(self, rule: Rule, draft: _Draft) -> None:
        if isinstance(rule, And):
            for part in rule.parts:
                self._require(part, draft)
        elif isinstance(rule, Or):
            self._require(rule.parts[self.random.integers(len(rule.parts))], draft)
        elif isinstance(rule, Comparison):
            low, high = draft.ranges.get(rule.scalar, (0, _HIGHEST[rule.scalar]))
            limits = {
                ">=": (rule.value, high),
                ">": (rule.value + 1, high),
                "<=": (low, rule.value),
                "<": (low, rule.value - 1),
                "=": (rule.value, rule.value),
            }[rule.operator]
            draft.ranges[rule.scalar] = max(low, limits[0]), min(high, limits[1])
        elif isinstance(rule, Count):
            other = next((name for name in rule.fields if name in draft.others), None)
            if other is not None:
                draft.others[other] += [self._union((rule.set,))] * rule.minimum
        elif isinstance(rule, Membership):
            self._require_membership(rule, draft)

    def _require_membership(self, atom: Membership, draft: _Draft) -> None:
        codes = self._union(atom.sets)
        if atom.negated:
            for name in atom.fields:
                draft.barred[name].append(codes)
            return
        levels = [name for name in atom.sets if name in self._complications]
        name = atom.fields[self.random.integers(len(atom.fields))]
        if levels and (not codes or self.random.random() < 0.5):
            draft.levels.append(levels[self.random.integers(len(levels))])
        elif name in draft.principal:
            draft.principal[name].append(codes)
        else:
            draft.others[name].append(codes)

    def _union(self, names: tuple[str, ...]) -> frozenset[str]:
        if names not in self._unions:
            sets = [self.scheme.sets[name] for name in names if name not in self._complications]
            self._unions[names] = sets[0] if len(sets) == 1 else frozenset().union(*sets)
        return self._unions[names]

    @cached_property
    def _earlier(self) -> dict[str, list[frozenset[str]]]:
        """The sets of MDC gates and ADRGs that stand before each ADRG: codes in them may lead elsewhere."""
        earlier: dict[str, list[frozenset[str]]] = {}
        gates: list[frozenset[str]] = []
        first: list[frozenset[str]] = []
        for mdc in self.scheme.mdcs:
            sets = [*gates, *first]
            for adrg in self.scheme.adrgs.get(mdc.code, ()):
                earlier[adrg.code] = list(sets)
                sets += self._sets(adrg.rule)
            if not mdc.text:
                first += sets
            gates += self._sets(mdc.rule)
        return earlier

    def _sets(self, rule: Rule) -> list[frozenset[str]]:
        asked = (atom for atom in atoms(rule) if isinstance(atom, Membership) and not atom.negated)
        return [self.scheme.sets[name] for atom in asked for name in atom.sets if name not in self._complications]

    def _pick(
        self, within: Sequence[frozenset[str]], without: Sequence[frozenset[str]], avoid: Sequence[frozenset[str]]
    ) -> str | None:
        """Pick a code that is in all of `within`, in none of `without` and, where there is a choice, not in `avoid`."""
        smallest = min(within, key=len)
        if smallest not in self._sorted:
            self._sorted[smallest] = sorted(smallest)
        codes = self._sorted[smallest]
        if len(codes) > _MOST_SAMPLED and len(within) == 1:
            codes = [codes[at] for at in self.random.integers(len(codes), size=_MOST_SAMPLED)]
        fit = [code for code in codes if all(code in s for s in within) and not any(code in s for s in without)]
        if not fit:
            return None
        if self.random.random() < 0.7:
            clear = [code for code in fit if not any(code in codes for codes in avoid)]
            fit = clear or fit
        return fit[self.random.integers(len(fit))]

    def _principal_diagnosis(self, draft: _Draft, earlier: Sequence[frozenset[str]]) -> str | None:
        within = draft.principal["ZYZD"] or [self._any_diagnosis]
        return self._pick(within, [*draft.barred["ZYZD"], self.scheme.not_grouped_diagnoses], earlier)

    @cached_property
    def _any_diagnosis(self) -> frozenset[str]:
        return frozenset().union(*(codes for name, codes in self.scheme.sets.items() if name.startswith("DI")))

    def _procedures(self, draft: _Draft, earlier: Sequence[frozenset[str]]) -> list[str] | None:
        others = self._other_codes(draft, "QTSS", earlier)
        if not draft.principal["ZYSS"]:
            return others
        principal = self._pick(draft.principal["ZYSS"], draft.barred["ZYSS"], earlier)
        return None if principal is None else [principal, *others]

    def _other_codes(self, draft: _Draft, name: str, earlier: Sequence[frozenset[str]]) -> list[str]:
        picked: list[str] = []
        for codes in draft.others[name]:
            code = self._pick([codes], [*draft.barred[name], frozenset(picked)], earlier)
            picked += [code] if code else []
        return picked

    def _counted(self, level: str, principal: str) -> str | None:
        """Return a complication of a level that the principal diagnosis does not exclude."""
        codes = self._complications[level]
        for at in self.random.integers(len(codes), size=_MOST_SAMPLED) if codes else ():
            code: str = codes[at]
            table = self.scheme.complications[code].exclusion
            if table is None or principal not in self.scheme.exclusions[table]:
                return code
        return None

    def _excluded(self, principal: str) -> Iterator[str]:
        for table in self._excluding.get(principal, ()):
            codes = self._subject.get(table)
            if codes:
                yield codes[self.random.integers(len(codes))]

    def _numbers(self, draft: _Draft) -> dict[str, Any]:
        weight = self.scheme.head.newborn_weight
        numbers: dict[str, Any] = {_COLUMN.get(s, weight): self._number(*limits) for s, limits in draft.ranges.items()}
        numbers.setdefault("sex", self._number(1, 2))
        numbers.setdefault("age", self._number(1, 100))
        infant = numbers["age"] == 0
        numbers.setdefault("age_days", self._number(29, 364) if infant else [None, 0, 9000][self._number(0, 2)])
        numbers.setdefault("length_of_stay", self._number(0, 60))
        for name in ("birth_weight", "admission_weight"):
            numbers.setdefault(name, self._number(400, 5000) if infant else None)
        return numbers

    def _number(self, low: int, high: int) -> int:
        """A number of a range, its ends as often as all others together."""
        return int([low, high, *self.random.integers(low, max(low, high) + 1, size=2)][self.random.integers(4)])


@cache
def designs(scheme: Scheme, each: int = 6, seed: int = 1) -> tuple[Design, ...]:
    """Return about `each` designs for every DRG row of a scheme."""
    designer = Designer(scheme, seed)
    tries = (designer.design(*rows) for rows in designer.targets() for _ in range(each))
    return tuple(design for design in tries if design is not None)


class _Vocabulary:
    """Codes as they are written in records: official spelling, then blanks and codes that nobody knows."""

    def __init__(self, scheme: Scheme, kind: str) -> None:
        is_diagnosis = kind == "DI"
        official = (scheme.diagnosis_codes if is_diagnosis else scheme.procedure_codes).official
        sets = (codes for name, codes in scheme.sets.items() if name.startswith("OP") != is_diagnosis)
        self.not_grouped = scheme.not_grouped_diagnoses if is_diagnosis else scheme.not_grouped_procedures
        extra = scheme.complications if is_diagnosis else ()
        folded = sorted({*official, *chain.from_iterable(sets), *extra, *self.not_grouped})
        self.number = {code: at for at, code in enumerate(folded)}
        self.codes = [*(official.get(code, code.upper()) for code in folded), *_BLANKS, *_UNKNOWN]
        self.known = np.arange(len(folded))
        self.blank = len(folded) + np.arange(len(_BLANKS))
        self.unknown = len(folded) + len(_BLANKS) + np.arange(len(_UNKNOWN))
        self.set_aside = np.array([self.number[code] for code in sorted(self.not_grouped)] or self.unknown.tolist())

    def written(self, key: int) -> str:
        """Return one of the six spellings of a code."""
        code, spelling = self.codes[key // 6], key % 6
        spellings = (
            code,
            code.lower(),
            code.upper(),
            f" {code} ",
            code.translate(_FULL_WIDTH),
            f"{code[:3]} {code[3:]}\u00a0",
        )
        return spellings[spelling]


class _Lists:
    """One list of codes a record, as a matrix that grows and shrinks at both ends."""

    def __init__(self, lists: Sequence[Sequence[int]], room: int) -> None:
        self.count = np.array([len(codes) for codes in lists])
        self.codes = np.full((len(lists), int(self.count.max(initial=0)) + room), NULL)
        for row, codes in enumerate(lists):
            self.codes[row, : len(codes)] = codes
        self.is_null = np.zeros(len(lists), np.bool_)

    def take(self, rows: Ints) -> "_Lists":
        taken = _Lists([], 0)
        taken.codes, taken.count, taken.is_null = self.codes[rows], self.count[rows], self.is_null[rows]
        return taken

    def append(self, rows: Ints, codes: Ints) -> None:
        rows, codes = rows[codes != NULL], codes[codes != NULL]
        self.codes[rows, self.count[rows]] = codes
        self.count[rows] += 1

    def prepend(self, rows: Ints, codes: Ints | int) -> None:
        self.codes[rows, 1:] = self.codes[rows, :-1]
        self.codes[rows, 0] = codes
        self.count[rows] += 1

    def drop_first(self, rows: Ints) -> None:
        rows = rows[self.count[rows] > 0]
        self.codes[rows, :-1] = self.codes[rows, 1:]
        self.count[rows] -= 1

    def swap(self, rows: Ints, random: np.random.Generator) -> None:
        rows = rows[self.count[rows] > 1]
        other = random.integers(1, self.count[rows])
        self.codes[rows, 0], self.codes[rows, other] = self.codes[rows, other], self.codes[rows, 0].copy()

    def repeat(self, rows: Ints, random: np.random.Generator) -> None:
        rows = rows[self.count[rows] > 0]
        self.append(rows, self.codes[rows, random.integers(0, self.count[rows])])

    def arrow(self, vocabulary: _Vocabulary, random: np.random.Generator) -> pa.ListArray:
        """Return the lists as Arrow, a tenth of the codes written otherwise than officially."""
        self.count[self.is_null] = 0
        flat = self.codes[np.arange(self.codes.shape[1]) < self.count[:, None]]
        spelling = np.where(random.random(len(flat)) < 0.1, random.integers(6, size=len(flat)), 0)
        keys = np.where(flat == NULL, NULL, flat * 6 + spelling)
        used, entries = np.unique(keys, return_inverse=True)
        if len(used) and used[0] == NULL:
            used, entries = used[1:], entries - 1
        written = pa.array([vocabulary.written(int(key)) for key in used], pa.string())
        codes = pa.DictionaryArray.from_arrays(pa.array(entries.astype(np.int32), mask=entries < 0), written)
        offsets = np.concatenate([[0], np.cumsum(self.count)]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), codes, mask=pa.array(self.is_null))


class Generator:
    """Makes any number of records for one scheme from its designs."""

    def __init__(self, scheme: Scheme) -> None:
        made = designs(scheme)
        self.diagnoses, self.procedures = _Vocabulary(scheme, "DI"), _Vocabulary(scheme, "OP")
        dx, op = self.diagnoses.number, self.procedures.number
        self._diagnoses = _Lists([[dx[str(c)] for c in d.record.diagnoses or ()] for d in made], 16)
        self._procedures = _Lists([[op[str(c)] for c in d.record.procedures or ()] for d in made], 8)
        self._counted = _Lists([[dx[c] for c in d.counted] for d in made], 1)
        self._excluded = _Lists([[dx[c] for c in d.excluded] for d in made], 1)
        self._numbers = {name: np.array([_number_of(d.record, name) for d in made]) for name in NUMBERS}
        self._size = len(made)

    def table(self, rows: int, seed: int) -> pa.Table:
        """Return `rows` records in canonical columns; one in a thousand has 200 diagnoses."""
        long = max(1, rows // 1000)
        batches = [self._batch(rows - long, seed, 0), self._batch(long, seed + 1_000_003, 200)]
        return pa.Table.from_batches([batch for batch in batches if batch.num_rows])

    def _batch(self, rows: int, seed: int, diagnoses: int) -> pa.RecordBatch:
        random = np.random.default_rng(seed)
        base = random.integers(self._size, size=rows)
        lists = self._diagnoses.take(base), self._procedures.take(base)
        numbers = {name: values[base] for name, values in self._numbers.items()}
        keep = random.random(rows) < 0.15
        self._change_diagnoses(lists[0], base, keep, random)
        self._change_procedures(lists[1], keep, random)
        for name, values in numbers.items():
            changed = (random.random(rows) < 0.12) & ~keep
            values[changed] = random.choice(_BOUNDARIES[name], size=int(changed.sum()))
        if diagnoses:
            self._lengthen(lists[0], diagnoses, random)
        columns = {
            "diagnoses": lists[0].arrow(self.diagnoses, random),
            "procedures": lists[1].arrow(self.procedures, random),
            **{name: pa.array(numbers[name], kind, mask=numbers[name] == _MISSING) for name, kind in NUMBERS.items()},
        }
        return pa.record_batch({"case_id": pa.array(np.arange(rows).astype(str)), **columns})

    def _change_diagnoses(self, lists: _Lists, base: Ints, keep: Bools, random: np.random.Generator) -> None:
        some = _chooser(keep, random)
        vocabulary = self.diagnoses
        for pool in (self._counted, self._counted, self._excluded, self._excluded):
            rows = some(0.15)
            lists.append(rows, _one_of(pool.take(base[rows]), random))
        for _ in range(3):
            rows = some(0.3)
            lists.append(rows, random.choice(vocabulary.known, len(rows)))
        lists.swap(some(0.05), random)
        lists.repeat(some(0.05), random)
        for share, codes in (
            (0.03, vocabulary.known),
            (0.02, vocabulary.set_aside),
            (0.01, vocabulary.unknown),
            (0.01, vocabulary.blank),
            (0.005, np.array([NULL])),
        ):
            rows = some(share)
            lists.prepend(rows, random.choice(codes, len(rows)))
        lists.append(rows := some(0.02), random.choice([*vocabulary.blank, *vocabulary.unknown], len(rows)))
        _empty(lists, some)

    def _change_procedures(self, lists: _Lists, keep: Bools, random: np.random.Generator) -> None:
        some = _chooser(keep, random)
        vocabulary = self.procedures
        for _ in range(2):
            rows = some(0.25)
            lists.append(rows, random.choice(vocabulary.known, len(rows)))
        lists.drop_first(some(0.03))
        lists.swap(some(0.05), random)
        lists.repeat(some(0.05), random)
        for share, codes in (
            (0.02, vocabulary.known),
            (0.03, vocabulary.set_aside),
            (0.01, vocabulary.unknown),
            (0.02, vocabulary.blank),
            (0.01, np.array([NULL])),
        ):
            rows = some(share)
            lists.prepend(rows, random.choice(codes, len(rows)))
        _empty(lists, some)

    def _lengthen(self, lists: _Lists, to: int, random: np.random.Generator) -> None:
        longer = np.full((len(lists.count), to), NULL)
        longer[:, : lists.codes.shape[1]] = lists.codes
        padding = np.arange(to) >= lists.count[:, None]
        longer[padding] = random.choice(self.diagnoses.known, int(padding.sum()))
        lists.codes, lists.count = longer, np.full(len(lists.count), to)


@cache
def generator(scheme: Scheme) -> Generator:
    """Return the generator of a scheme, made once."""
    return Generator(scheme)


def _number_of(record: Record, name: str) -> int:
    value = getattr(record, name)
    return _MISSING if value is None else int(value)


def _chooser(keep: Bools, random: np.random.Generator) -> Any:
    return lambda share: np.flatnonzero((random.random(len(keep)) < share) & ~keep)


def _one_of(lists: _Lists, random: np.random.Generator) -> Ints:
    at = random.integers(0, np.maximum(lists.count, 1))
    return np.where(lists.count > 0, lists.codes[np.arange(len(at)), at], NULL)


def _empty(lists: _Lists, some: Any) -> None:
    lists.count[some(0.02)] = 0
    lists.is_null[some(0.01)] = True


def records(table: pa.Table) -> Iterator[Record]:
    """Yield the rows of a table of canonical columns as the reference evaluator reads them."""
    for batch in table.to_batches():
        columns = [name for name in batch.schema.names if name not in {"case_id", "diagnoses", "procedures"}]
        numbers = (batch.column(name).to_pylist() for name in columns)
        lists = (_written(batch.column(name)) for name in ("diagnoses", "procedures"))
        for diagnoses, procedures, *values in zip(*lists, *numbers, strict=True):
            yield Record(diagnoses, procedures, **dict(zip(columns, values, strict=True)))


def _written(column: pa.ListArray) -> Iterator[list[str | None] | None]:
    values = column.flatten()
    written = np.array([*values.dictionary.to_pylist(), None], object)
    codes = written[values.indices.fill_null(len(written) - 1).to_numpy()].tolist()
    ends = np.cumsum(column.value_lengths().fill_null(0).to_numpy()).tolist()
    start = 0
    for end, valid in zip(ends, column.is_valid().to_pylist(), strict=True):
        yield codes[start:end] if valid else None
        start = end
