"""Fee lines of a sample of claims: each fee item of a claim divided into a few lines that add up to it."""

import numpy as np
import pyarrow as pa

from engine.claims.canonical import FEE_ITEMS
from engine.synthetic.draws import Draws

SAMPLE = 20
"""One claim of so many has its fee lines written."""
SCHEMA = pa.schema(
    {
        "case_id": pa.string(),
        "item_code": pa.string(),
        "item_class": pa.string(),
        "listed_new_item": pa.bool_(),
        "quantity": pa.int32(),
        "amount": pa.int64(),
    }
)
CLASSES = (*(item.name.removeprefix("fee_") for item in FEE_ITEMS), "tcm_treatment")
_TREATMENT, _TCM = CLASSES.index("treatment"), CLASSES.index("tcm_treatment")
_WITH_NEW_ITEMS = [CLASSES.index("western_drugs"), CLASSES.index("consumables")]
_ITEMS = 400
_NEW_FROM = 392
_TCM_SHARE = 0.12


def fee_lines(batch: "pa.RecordBatch", draws: Draws) -> "pa.RecordBatch":
    """Draw the lines of every twentieth claim of a batch: up to three a fee class, lower item numbers more often."""
    sample = batch.take(pa.array(np.arange(0, batch.num_rows, SAMPLE)))
    items = np.stack([sample.column(item.name).to_numpy() for item in FEE_ITEMS], axis=1)
    first = items * (25 + draws.below(50, items.size).reshape(items.shape)) // 100
    second = (items - first) * (25 + draws.below(50, items.size).reshape(items.shape)) // 100
    amounts = np.stack([first, second, items - first - second], axis=2)
    claim, kind, _ = np.nonzero(amounts)
    count = len(claim)
    kind = np.where((kind == _TREATMENT) & draws.chance(_TCM_SHARE, count), _TCM, kind)
    even = draws.between(0, 1, count)
    item = (_ITEMS * even * even).astype(np.int64)
    codes = pa.array([f"{place + 1:02}{number:04}" for place in range(len(CLASSES)) for number in range(_ITEMS)])
    return pa.RecordBatch.from_arrays(
        [
            sample.column("case_id").take(pa.array(claim)),
            codes.take(pa.array(kind * _ITEMS + item)),
            pa.array(CLASSES).take(pa.array(kind)),
            pa.array(np.isin(kind, _WITH_NEW_ITEMS) & (item >= _NEW_FROM)),
            pa.array((1 + draws.below(20, count)).astype(np.int32)),
            pa.array(amounts[np.nonzero(amounts)]),
        ],
        schema=SCHEMA,
    )
