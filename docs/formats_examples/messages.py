"""TRL renders `messages` by the base model's own chat template: loss on the last message, the reply, alone."""

from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

MODEL, SAMPLES = "HuggingFaceTB/SmolLM2-135M-Instruct", "samples"


def split_off_reply(sample):
    """The reply alone, which carries loss, and what stands before it."""
    return {"prompt": sample["messages"][:-1], "completion": sample["messages"][-1:]}


data = load_dataset(SAMPLES).select_columns("messages").map(split_off_reply, remove_columns="messages")
trainer = SFTTrainer(
    model=MODEL,
    args=SFTConfig(output_dir="adapter-trl", completion_only_loss=True, max_length=512, max_steps=200, per_device_train_batch_size=1),
    train_dataset=data["train"],
    eval_dataset=data["test"],
)
trainer.train()
