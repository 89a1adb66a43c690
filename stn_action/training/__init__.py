"""Training: the loop, the optimizer step, the loss, the monitor of the heads, checkpoints."""
