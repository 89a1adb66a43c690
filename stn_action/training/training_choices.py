"""Names of the optimizers and of the learning-rate schedules."""

from typing import Literal

OptimizerName = Literal["sgd", "adamw"]
"""The optimizer families."""
ScheduleName = Literal["cosine", "constant"]
"""How the learning rates go on after warm-up: down to zero, or as they are."""
