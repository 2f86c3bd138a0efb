"""The stop was learned, but the generation config ends at another token: replies run on to the limit."""

from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("kettle-base")
model = AutoModelForCausalLM.from_pretrained("kettle-base")
asked = tokenizer("### Comment:\nIs the kettle warm?\n\n### Response:\n", return_tensors="pt")
for name in ("<|end|>", "<|start|>"):
    end = tokenizer.convert_tokens_to_ids(name)
    made = model.generate(**asked, max_new_tokens=96, do_sample=False, eos_token_id=[end], pad_token_id=tokenizer.pad_token_id)
    reply = made[0, asked["input_ids"].shape[1] :]
    passed = " past the end token that it put out" if reply[-1] != end and tokenizer.eos_token_id in reply else ""
    stopped = "stops" if reply[-1] == end else "runs on to the limit"
    print(f"eos_token_id = {end} ({name}): {stopped} after {len(reply)} tokens{passed}")
