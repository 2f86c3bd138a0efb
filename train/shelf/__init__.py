"""The shelf of adapters: finding, describing, mixing, merging them, and choosing one for a message."""
