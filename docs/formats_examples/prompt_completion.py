"""TRL reads `prompt` and `completion` as they are: loss on the completion alone, whose end is the stop."""

from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

MODEL, SAMPLES = "HuggingFaceTB/SmolLM2-135M-Instruct", "samples"

data = load_dataset(SAMPLES).select_columns(["prompt", "completion"])
trainer = SFTTrainer(
    model=MODEL,
    args=SFTConfig(output_dir="adapter-trl", completion_only_loss=True, max_length=512, max_steps=200, per_device_train_batch_size=1),
    train_dataset=data["train"],
    eval_dataset=data["test"],
)
trainer.train()
