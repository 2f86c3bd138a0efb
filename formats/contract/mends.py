"""What mends a point of the contract that tokens decide, for each trainer."""

APPEND = {
    "lorum": "write the samples again with `lorum format`",
    "trl": "let every completion end in the stop; where a column text stands beside prompt and completion, TRL appends the end token to "
    'that one: dataset.select_columns(["prompt", "completion"])',
    "transformers": "append the tokenizer's eos_token to every text: this trainer appends nothing",
}
MERGED = dict.fromkeys(
    ("lorum", "trl", "transformers"),
    "stop with an end-of-turn token, which merges with nothing, or train with lorum, which encodes the stop apart from the reply",
)
PAD = "give the tokenizer another pad token, or use a collator that pads labels by themselves (DataCollatorForSeq2Seq, TRL's)"
LOSS = {
    "lorum": "write the samples again with `lorum format`",
    "trl": "see the points above; for messages, put the end of every turn of the bot inside the chat template's {% generation %} block",
    "transformers": "see the points above; else the collator masks the stop",
}
ONCE = "leave one end token at the end of each reply: the tokenizer, the chat template or the trainer puts one there beside the text's own"
AFTER = {
    "lorum": "write the samples again with `lorum format`",
    **dict.fromkeys(
        ("trl", "transformers"),
        "use a chat template that writes nothing behind the end of a turn, or one whose {% generation %} block ends there with "
        "assistant_only_loss=True, or train with lorum",
    ),
}
APART = "let no prompt end in a blank that belongs to the reply's first word, or train with lorum, which encodes the two apart"
PROMPT = {
    "lorum": "write the samples again with `lorum format`",
    "trl": "give prompt and completion in two columns, of which TRL masks the first, or for messages set assistant_only_loss=True",
    "transformers": "mask the prompt's labels with -100, or use a trainer that does (lorum, TRL with prompt and completion)",
}
CUT = "leave these rows out or shorten their prompts beforehand (`lorum format --max-tokens` does), or raise the limit"
