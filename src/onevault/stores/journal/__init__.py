"""The append-only files that calls are written to before anything else keeps them."""
