"""Samples in tokens: encoded, counted, fitted and packed."""
