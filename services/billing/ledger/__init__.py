"""The ledger: double entry in one journal, numbered and chained."""
