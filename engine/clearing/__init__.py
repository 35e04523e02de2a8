"""The clearing of a year: read from folders of priced months or from a ledger, cleared, written as tables."""
