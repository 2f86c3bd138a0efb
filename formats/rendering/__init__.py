"""Conversations to samples, and samples back into turns."""
