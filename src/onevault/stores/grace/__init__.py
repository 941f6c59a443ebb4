"""What becomes of calls while the shared ledger does not answer, by each organization's failure mode: read `ledger.py` first."""
