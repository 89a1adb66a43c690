"""Trained networks as files for other programs: ONNX, PyTorch programs, safetensors."""
