"""TRL reads `text` as a whole: loss on everything, prompts too, which suits the voice of a forum more than its answers."""

from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

MODEL, SAMPLES = "HuggingFaceTB/SmolLM2-135M-Instruct", "samples"

data = load_dataset(SAMPLES).select_columns("text")
trainer = SFTTrainer(
    model=MODEL,
    args=SFTConfig(output_dir="adapter-trl", dataset_text_field="text", max_length=512, max_steps=200, per_device_train_batch_size=1),
    train_dataset=data["train"],
    eval_dataset=data["test"],
)
trainer.train()
