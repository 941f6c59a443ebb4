"""The `onevault` command: each file a command or a family of them."""

from onevault.cli.app import main

__all__ = ["main"]
