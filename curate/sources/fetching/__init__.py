"""What live sources fetch with: patience, JSON over HTTP, a walk through threads."""
