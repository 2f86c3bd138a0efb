"""Judges posts: what should be learned, what may stand as context, and why the rest should not."""
