"""Names of the forms that a trained network is exported to."""

from typing import Literal

ExportForm = Literal["onnx", "torch_export", "safetensors"]
