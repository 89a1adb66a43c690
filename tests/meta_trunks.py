"""Trunks without memory for their weights, to ask for shapes and costs."""

import torch
from torch import nn

from stn_action.models.backbones.backbone_spec import BackboneSpec, PackedTrunk


def meta_trunk(spec: BackboneSpec) -> nn.Module:
    """Build a row's trunk on the meta device, in eval mode."""
    try:
        with torch.device("meta"):
            trunk = spec.builder(None, "mean").eval()
    except RuntimeError:  # pytorchvideo's MViT reads numbers from tensors
        trunk = spec.builder(None, "mean").to("meta").eval()
    return trunk if spec.pack is None else PackedTrunk(trunk, spec.pack)
