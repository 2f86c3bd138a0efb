"""Base models: found by name, loaded, and looked at without loading them."""
