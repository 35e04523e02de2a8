"""Claims: from the files of a bureau or a hospital to canonical Arrow batches, with findings and rejects."""

from engine.claims.checks import CheckPolicy, parse_actions
from engine.claims.claims import ClaimBatch, Claims, open_claims
from engine.claims.column_map import ColumnMap, load_map, shipped_maps
from engine.claims.findings import Example, Findings
from engine.claims.pseudonyms import load_key
from engine.claims.source import Chunk

__all__ = [
    "CheckPolicy",
    "Chunk",
    "ClaimBatch",
    "Claims",
    "ColumnMap",
    "Example",
    "Findings",
    "load_key",
    "load_map",
    "open_claims",
    "parse_actions",
    "shipped_maps",
]
