"""Days of the log: read whole, dropped, restored, and what the ledger keeps of them."""
