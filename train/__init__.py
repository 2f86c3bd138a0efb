"""Trains adapters on samples, and talks to the result."""

import logging
import os

# bitsandbytes warns while it is imported that an optional kernel is missing, on every run.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
# PyTorch's threads wait for each other by spinning, and on a CPU that other programs use as well they spin against those: measured
# beside one busy process on 2 cores, answers took 4 times as long. It is read when PyTorch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
