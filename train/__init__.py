"""Trains adapters on samples, and talks to the result.

Its rooms: `bases` finds and loads base models, `adapters` makes and describes adapters, `learning` trains them, `memory` knows beforehand
what that takes, `answers` generates, and `evaluation` measures what was learned.
"""

import logging
import os

# bitsandbytes warns while it is imported that an optional kernel is missing, on every run.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
# PyTorch's threads wait for each other by spinning, and on a CPU that other programs use as well they spin against those: measured
# beside one busy process on 2 cores, answers took 4 times as long. It is read when PyTorch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
