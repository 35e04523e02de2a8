"""Claims: from the files of a bureau or a hospital to canonical Arrow batches, with findings and rejects."""

from engine.claims.batch import ClaimBatch
from engine.claims.canonical import COLUMNS
from engine.claims.checks import CheckPolicy, parse_actions
from engine.claims.claims import Claims, open_claims
from engine.claims.column_map import ColumnMap, load_map, shipped_maps
from engine.claims.findings import Example, Findings
from engine.claims.in_order import in_order
from engine.claims.pseudonyms import load_key
from engine.claims.reasons import REASONS
from engine.claims.rejects import WRITTEN, in_language
from engine.claims.source import Chunk

__all__ = [
    "COLUMNS",
    "REASONS",
    "WRITTEN",
    "CheckPolicy",
    "Chunk",
    "ClaimBatch",
    "Claims",
    "ColumnMap",
    "Example",
    "Findings",
    "in_language",
    "in_order",
    "load_key",
    "load_map",
    "open_claims",
    "parse_actions",
    "shipped_maps",
]
