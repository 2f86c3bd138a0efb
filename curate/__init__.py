"""Gathers forum threads, and runs the whole way from a dump to an adapter."""

__version__ = "0.1.0"
