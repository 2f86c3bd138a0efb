"""What a training will need, known before it starts: its step is run on tensors that have shapes and no memory."""
