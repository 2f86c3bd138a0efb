"""Renders conversations into samples, and guards the boundary between a reply and its stop."""
