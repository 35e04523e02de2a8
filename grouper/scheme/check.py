"""Inconsistencies of a scheme, with counts and examples.

Grouping follows the order of the rules; this says where the rules and lists disagree.
What makes a pack unreadable (a rule that names no set, a complication without its exclusion table) is a fault of
loading, not a finding.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from grouper.codes import CodeList
from grouper.drg.clauses import Clause, clauses, conjunction
from grouper.fault import Text
from grouper.rule_language import Always, set_names
from grouper.scheme.pack import RuleRow, Scheme
from grouper.scheme.regions import NO_SET, CodeClasses, Region, covering

MOST_EXAMPLES = 10

KINDS = {
    "outside_gate_surgical": Text(
        "手术操作ADRG列表中的主要诊断不在所属MDC的主要诊断列表中，因而不会进入该ADRG",
        "principal diagnoses of ADRGs with a procedure that their MDC does not admit: the ADRG never takes them",
    ),
    "outside_gate_medical": Text(
        "内科ADRG列表中的主要诊断不在所属MDC的主要诊断列表中，因而不会进入该ADRG",
        "principal diagnoses of ADRGs without procedure that their MDC does not admit: the ADRG never takes them",
    ),
    "gate_without_adrg": Text(
        "MDC主要诊断列表中的编码，没有手术操作和其他诊断时不被该MDC的任何ADRG接受",
        "principal diagnoses of an MDC that none of its ADRGs takes without a procedure or another diagnosis",
    ),
    "no_gate": Text(
        "编码表中不在任何MDC列表、也未列为不作分组依据的诊断，作主要诊断时不能入组",
        "diagnoses of the code list that no MDC admits and no list says not to group: as principal, ungroupable",
    ),
    "two_gates": Text(
        "主要诊断同时在几个MDC的列表中，排在前面的MDC优先",
        "principal diagnoses of several MDCs: the first in order is tried first",
    ),
    "unreachable": Text(
        "任何病例都不能进入的病组：条件相互矛盾，或已被箭头后的病组全部覆盖",
        "groups no case can reach: their conditions contradict, or the groups after the arrow take all of it",
    ),
    "adrg_without_drg": Text(
        "没有无条件DRG的ADRG，其病例可能不属于任何DRG",
        "ADRGs without an unconditional DRG: a case of theirs may match no DRG",
    ),
    "overlapping_surgical": Text(
        "同一MDC中主要手术操作有重叠的ADRG，排在前面的优先（重叠编码数）",
        "pairs of ADRGs of an MDC that share principal procedures: the first takes the case (number of shared codes)",
    ),
    "overlapping_medical": Text(
        "同一MDC中不需手术操作、主要诊断有重叠的ADRG，排在前面的优先（重叠编码数）",
        "pairs of ADRGs of an MDC that need no procedure and share principal diagnoses: the first takes the case",
    ),
    "unknown_diagnosis": Text(
        "方案使用、编码表中没有的诊断编码", "diagnosis codes of the scheme that the code list does not have"
    ),
    "unknown_procedure": Text(
        "方案使用、编码表中没有的手术操作编码", "procedure codes of the scheme that the code list does not have"
    ),
    "unused_set": Text("没有规则使用的集合", "sets that no rule names"),
    "unused_exclusion": Text("没有并发症或合并症使用的排除表", "exclusion tables that no complication names"),
}
"""What can be found, in the order it is reported."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of inconsistency: its name (of KINDS), what it means, how often it occurs, up to ten examples."""

    name: str
    text: Text
    count: int
    examples: tuple[str, ...]


def check(scheme: Scheme) -> list[Finding]:
    """Return the kinds of inconsistency that occur in a scheme, in the order of KINDS."""
    rules = _Rules(scheme)
    occurrences: dict[str, Iterable[str]] = {
        "outside_gate_surgical": rules.outside_gate(surgical=True),
        "outside_gate_medical": rules.outside_gate(surgical=False),
        "gate_without_adrg": rules.gate_without_adrg(),
        "no_gate": rules.no_gate(),
        "two_gates": rules.two_gates(),
        "unreachable": rules.unreachable(),
        "adrg_without_drg": _without_drg(scheme),
        "overlapping_surgical": rules.overlapping(surgical=True),
        "overlapping_medical": rules.overlapping(surgical=False),
        "unknown_diagnosis": _unknown(_diagnoses(scheme), scheme.diagnosis_codes),
        "unknown_procedure": _unknown(_procedures(scheme), scheme.procedure_codes),
        "unused_set": _unused_sets(scheme),
        "unused_exclusion": _unused_exclusions(scheme),
    }
    findings = []
    for name, text in KINDS.items():
        listed = list(occurrences[name])
        if listed:
            findings.append(Finding(name, text, len(listed), tuple(listed[:MOST_EXAMPLES])))
    return findings


class _Rules:
    """What the rules of a scheme take, as regions. Methods yield one example for each occurrence."""

    def __init__(self, scheme: Scheme) -> None:
        self._scheme = scheme
        self._classes = CodeClasses(scheme)
        self._gates = {mdc.code: self._regions(mdc) for mdc in scheme.mdcs}
        self._groups = {
            mdc.code: [(row.code, self._regions(row)) for row in scheme.adrgs.get(mdc.code, ()) if _is_group(row)]
            for mdc in scheme.mdcs
        }

    def outside_gate(self, *, surgical: bool) -> Iterator[str]:
        for mdc, groups in self._groups.items():
            asked = _diagnoses_of(
                region
                for _, regions in groups
                for region in regions
                if region.names_diagnoses and region.needs_procedure == surgical
            )
            yield from self._spelled(asked & ~_diagnoses_of(self._gates[mdc]), mdc)

    def gate_without_adrg(self) -> Iterator[str]:
        for mdc, groups in self._groups.items():
            taken = _diagnoses_of(region for _, regions in groups for region in regions if not region.needs_other_codes)
            admitted = _diagnoses_of(region for region in self._gates[mdc] if region.names_diagnoses)
            yield from self._spelled(admitted & ~taken, mdc)

    def no_gate(self) -> Iterator[str]:
        named = _diagnoses_of(region for gate in self._gates.values() for region in gate if region.names_diagnoses)
        official = self._scheme.diagnosis_codes.official
        grouped = {*self._classes.codes(named), *self._scheme.not_grouped_diagnoses}
        yield from (official[code] for code in official if code not in grouped)

    def two_gates(self) -> Iterator[str]:
        plain = [
            (mdc, region)
            for mdc, gate in self._gates.items()
            for region in gate
            if region.names_diagnoses and not region.demands and region.bounds.keys() <= {"XB"}
        ]
        shared: defaultdict[tuple[str, str], int] = defaultdict(int)
        for (first, region), (second, other) in combinations(plain, 2):
            if first != second and region.meets(other):
                shared[first, second] |= region.diagnoses & other.diagnoses
        for pair, codes in shared.items():
            yield from self._spelled(codes, " ".join(pair))

    def unreachable(self) -> Iterator[str]:
        earlier: list[tuple[str, Region]] = []
        for mdc in self._scheme.mdcs:
            gate = clauses(mdc.rule)
            for adrg in self._scheme.adrgs.get(mdc.code, ()):
                takes = conjunction([gate, clauses(adrg.rule)])
                regions = self._classes.regions(takes)
                if not adrg.is_nameless_fallback:
                    closed = _closed(adrg.code, regions, earlier)
                    yield from [closed] if closed else self._unreachable_drgs(adrg, takes)
                earlier.extend((adrg.code, region) for region in regions)

    def _unreachable_drgs(self, adrg: RuleRow, takes: list[Clause]) -> Iterator[str]:
        earlier: list[tuple[str, Region]] = []
        for drg in self._scheme.drgs.get(adrg.code, ()):
            rule = clauses(drg.rule)
            closed = _closed(drg.code, self._classes.regions(conjunction([takes, rule])), earlier)
            if closed:
                yield closed
            earlier.extend((drg.code, region) for region in self._classes.regions(rule))

    def overlapping(self, *, surgical: bool) -> Iterator[str]:
        for groups in self._groups.values():
            sides = [(adrg, [region for region in regions if _is_side(region, surgical)]) for adrg, regions in groups]
            for (first, regions), (second, others) in combinations(sides, 2):
                shared = 0
                for region in regions:
                    for other in others:
                        if region.meets(other):
                            one, two = (region.procedures, other.procedures) if surgical else region[:1] + other[:1]
                            shared |= one & two
                if shared:
                    codes = list(self._spelled(shared))
                    yield f"{first} {second} ({len(codes)}: {codes[0]})"

    def _regions(self, row: RuleRow) -> list[Region]:
        return self._classes.regions(clauses(row.rule))

    def _spelled(self, mask: int, place: str = "") -> Iterator[str]:
        for code in self._classes.codes(mask):
            spelling = self._scheme.diagnosis_codes.official.get(code) or self._scheme.procedure_codes.spelling(code)
            yield f"{spelling} {place}".rstrip()


def _is_group(row: RuleRow) -> bool:
    return not row.is_ambiguous and not row.is_nameless_fallback


def _is_side(region: Region, surgical: bool) -> bool:
    """Whether a region names principal procedures (surgical), or names diagnoses and needs no procedure."""
    return not region.procedures & NO_SET if surgical else region.names_diagnoses and not region.needs_procedure


def _diagnoses_of(regions: Iterable[Region]) -> int:
    mask = 0
    for region in regions:
        mask |= region.diagnoses
    return mask


def _closed(code: str, regions: list[Region], earlier: list[tuple[str, Region]]) -> str | None:
    """Return the example that shows a group to be unreachable, or None."""
    takers: dict[str, None] = {}
    for region in regions:
        covered = covering(region, earlier)
        if covered is None:
            return None
        takers.update(dict.fromkeys(covered))
    return f"{code} ← {', '.join(takers)}" if takers else code


def _without_drg(scheme: Scheme) -> Iterator[str]:
    for rows in scheme.adrgs.values():
        for adrg in rows:
            if not any(isinstance(drg.rule, Always) for drg in scheme.drgs.get(adrg.code, ())):
                yield adrg.code


def _diagnoses(scheme: Scheme) -> Iterator[str]:
    yield from scheme.complications
    yield from scheme.not_grouped_diagnoses
    for codes in scheme.exclusions.values():
        yield from codes
    for name, codes in scheme.sets.items():
        if not name.startswith("OP"):
            yield from codes


def _procedures(scheme: Scheme) -> Iterator[str]:
    yield from scheme.not_grouped_procedures
    for name, codes in scheme.sets.items():
        if name.startswith("OP"):
            yield from codes


def _unknown(codes: Iterable[str], code_list: CodeList) -> list[str]:
    return sorted(set(codes) - code_list.official.keys())


def _unused_sets(scheme: Scheme) -> list[str]:
    used = {name for row in scheme.rule_rows() for name, _ in set_names(row.rule)}
    return [name for name in scheme.sets if name not in used]


def _unused_exclusions(scheme: Scheme) -> list[str]:
    used = {complication.exclusion for complication in scheme.complications.values()}
    return [name for name in scheme.exclusions if name not in used]
