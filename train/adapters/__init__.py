"""Adapters: what is trained, the folder that it is written to, and what that folder says of itself."""
