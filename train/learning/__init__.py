"""The training: batches, attention, loss, checkpoints, and the trainer that joins them."""
