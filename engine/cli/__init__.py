"""The command line: `drgdip`."""

from engine.cli.app import main

__all__ = ["main"]
