"""The ledger and its batches: months settled, years cleared, undone, verified, shown."""
