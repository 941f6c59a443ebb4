"""The way of a call: read `exchange.py` first."""
