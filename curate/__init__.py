"""Gathers forum threads, and runs the whole way from a dump to an adapter."""

__version__ = "0.1.0"

STAGES = ("gather", "filter", "format", "check", "train", "eval")
"""Of a run, in order; the names are those of `--until`."""
