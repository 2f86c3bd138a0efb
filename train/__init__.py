"""Trains adapters on samples, and talks to the result."""

import logging

# bitsandbytes warns while it is imported that an optional kernel is missing, on every run.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
