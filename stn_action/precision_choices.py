"""Names of the numeric precisions that training and stored features are computed in."""

from typing import Literal

Precision = Literal["auto", "float32", "bf16", "fp16"]
"""`auto`: bf16 on a GPU that supports it, else float32; bf16 and fp16 are float32 on a processor
that does not multiply in them."""
StoredPrecision = Literal["float32", "bf16"]
"""Of the trunk that computes stored features."""
CachePrecision = Literal["auto", StoredPrecision]
"""`auto`: bf16 where the machine multiplies in bf16, else float32."""
