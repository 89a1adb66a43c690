"""Names of the optimizers, of the learning-rate schedules, of the kinds of batch norm."""

from typing import Literal

OptimizerName = Literal["sgd", "adamw"]
"""The optimizer families."""
BatchNorm = Literal["synchronized", "per_process", "frozen"]
"""What batch norm normalizes by: the global batch, a process's share, or the stored statistics."""
ScheduleName = Literal["cosine", "step", "constant"]
"""How the learning rates go on after warm-up: down to zero, down in steps, or as they are."""
