"""Video networks of torchvision."""

from functools import partial

from torch import nn

from stn_action.models.backbones.backbone_spec import KINETICS, BackboneSpec
from stn_action.models.backbones.trunk_weights import load_weights
from stn_action.models.model_choices import Temporal
from stn_action.weights import download_state_dict

_WEIGHTS = {
    "r3d_18": "R3D_18_Weights",
    "mc3_18": "MC3_18_Weights",
    "r2plus1d_18": "R2Plus1D_18_Weights",
}


def torchvision_specs() -> list[BackboneSpec]:
    """Return the rows of torchvision's networks.

    The published weights were trained on 16 frames at 15 per second.
    """
    return [
        BackboneSpec(
            name=f"torchvision/{model}", builder=partial(_build, model), published=("kinetics400",),
            mean=KINETICS[0], std=KINETICS[1], num_frames=16, stride=2, size_hw=(112, 112),
            stages=("stem", "layer1", "layer2", "layer3", "layer4"),
        )
        for model in _WEIGHTS
    ]  # fmt: skip


def _build(model: str, weights: str | None, temporal: Temporal) -> nn.Module:
    from torchvision.models import video

    trunk = getattr(video, model)()
    if weights == "kinetics400":
        member = getattr(video, _WEIGHTS[model]).KINETICS400_V1
        trunk.load_state_dict(
            download_state_dict(
                member.url, "model.weights=kinetics400", "set model.weights to a file or to none"
            )
        )
    elif weights is not None:
        trunk.fc = nn.Identity()
        load_weights(trunk, weights, optional=("fc.",))
    return trunk
