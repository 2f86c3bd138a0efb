"""Writes into docs/memory.md what the planner says of the claims that are made about QLoRA's memory.

python docs/make_memory.py
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # where the packages are found when this is run as a script

from train.memory.fitting import KEPT_BACK  # noqa: E402
from train.memory.plan import plan  # noqa: E402
from train.memory.shapes import config_of  # noqa: E402
from train.memory.sizes import GIB, shown_size  # noqa: E402
from train.settings import TrainSettings  # noqa: E402

PAGE = HERE / "memory.md"
_BEGIN, _END = "<!-- claims -->\n", "<!-- end -->"


def claims() -> str:
    """The table of claims beside what the planner says."""
    one = TrainSettings(preset="qlora-paper", tokens_per_batch=512, optimizer="paged_adamw_32bit")
    tutorial = TrainSettings(preset="tutorial")
    seven = plan(config_of("llama-2-7b"), tutorial, 7 * 512, "cuda")
    paper, large, seventy = (plan(config_of(name), one, 512, "cuda") for name in ("llama-2-7b", "llama-65b", "llama-2-70b"))
    base = seven.total_parameters - seven.trainable_parameters
    rows = [
        (
            "full fine-tuning of Llama-2-7B takes about 84 GB",
            f"{shown_size(seven.full_bytes)}",
            "Too low for mixed precision with float32 weights beside (16 bytes a parameter); 12 bytes a parameter, without that copy, "
            f"are {shown_size(12 * base)}. Activations come on top.",
        ),
        (
            "QLoRA of Llama-2-7B takes about 14 GB",
            f"{shown_size(seven.peak_bytes)} (`tutorial`, 7 x 512 tokens)",
            "Holds, with room: checkpointing and samples without padding need less.",
        ),
        (
            "65B on one 48 GB GPU",
            f"{shown_size(large.peak_bytes)}, {shown_size(large.unpaged_bytes)} with the optimizer paged out",
            f"Holds with a paged optimizer, in part in main memory: {shown_size(round((1 - KEPT_BACK) * 48 * GIB))} can be used. "
            "One sample of 512 tokens at a time, rank 64 on all linear layers.",
        ),
        (
            '70B on one 24 GB GPU ("70B in 4 bit is 3.5 GB")',
            shown_size(seventy.peak_bytes),
            f"Does not hold: {shown_size(seventy.parts[0].bytes)} are quantised weights alone. 70B in 4 bit is ten times what was said.",
        ),
        (
            "the adapter of a 7B model has about 160 MB",
            f"{seven.adapter_bytes / 1e6:,.0f} MB (q and v), {paper.adapter_bytes / 1e6:,.0f} MB (all linear)",
            "Holds roughly for rank 64 on q and v in float32; on all linear layers it is four times that.",
        ),
        (
            "up to 10,000x fewer trainable parameters",
            f"{base / seven.trainable_parameters:,.0f}x (`tutorial`)",
            "Was said of GPT-3 with rank 4 on two matrices; not of these settings.",
        ),
        (
            "in most cases 1 % of the parameters",
            f"{seven.trainable_parameters / seven.total_parameters:.2%} and {paper.trainable_parameters / paper.total_parameters:.2%}",
            "A half to more than twice that, as the layers are chosen.",
        ),
    ]
    head = "| claim | the planner says | does it hold? |\n|---|---|---|\n"
    return head + "".join(f"| {claim} | {said} | {verdict} |\n" for claim, said, verdict in rows)


def page() -> str:
    """The whole page, with the table that the code makes now."""
    begin, _, rest = PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    return f"{begin}{_BEGIN}{claims()}{rest[rest.index(_END) :]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
