"""Judges posts bucket by bucket, and tells what a filter does, would do, and why."""
