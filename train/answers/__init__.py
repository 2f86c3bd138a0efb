"""Answers of a model: in batches, or as a conversation."""
