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
# oneDNN and PyTorch keep how to multiply matrices of every shape they met, 1,024 each. Batches without padding bring new shapes with every
# step: measured on SmolLM2-135M, the memory of a training grew from 1.0 to 1.7 GiB in 12 steps, with 64 of them from 1.0 to 1.15 GiB. A
# step of a model of alike layers has some forty shapes.
for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
    os.environ.setdefault(name, "64")
