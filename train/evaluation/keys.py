"""What tells samples apart where their words must not stand."""

import hashlib


def sample_key(prompt: str, reply: str) -> str:
    """A hash of a sample's prompt and of its reply without the stop, both as plain text."""
    return hashlib.sha256(f"{prompt}\0{reply}".encode()).hexdigest()
