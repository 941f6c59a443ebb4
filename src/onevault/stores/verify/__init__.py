"""Holds the journal, the vault's calls and the vault's sums against each other: read `verdict.py` first."""
