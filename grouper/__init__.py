"""Which group a discharge belongs to: schemes, rules, the reference evaluator and the kernel. It knows no money."""

from grouper.codes import fold
from grouper.dip.answer import DipGroup
from grouper.dip.directory import Directory, load_directory
from grouper.drg.answer import CaseGroup
from grouper.drg.reference import Record, group_case
from grouper.fault import Text, UserError
from grouper.frames import group
from grouper.kinds import load
from grouper.scheme.pack import Scheme, load_scheme, shipped

__all__ = [
    "CaseGroup",
    "DipGroup",
    "Directory",
    "Record",
    "Scheme",
    "Text",
    "UserError",
    "fold",
    "group",
    "group_case",
    "load",
    "load_directory",
    "load_scheme",
    "shipped",
]
