"""Names of the numeric precisions that training runs in."""

from typing import Literal

Precision = Literal["auto", "float32", "bf16", "fp16"]
"""`auto`: bf16 on a GPU that supports it, else float32."""
