"""Measures an adapter against its base."""
