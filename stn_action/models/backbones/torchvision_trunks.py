"""Video networks of torchvision."""

from dataclasses import dataclass
from functools import partial

from torch import nn

from stn_action.models.backbones.backbone_spec import IMAGENET, KINETICS, MIDDLE, BackboneSpec
from stn_action.models.backbones.fitted_pool import fit_pooling
from stn_action.models.backbones.trunk_weights import load_weights
from stn_action.models.model_choices import Temporal
from stn_action.weights import download_state_dict


@dataclass(frozen=True)
class _VideoModel:
    """A model of `torchvision.models.video` and the clips that its weights were trained on.

    Of the sets that torchvision publishes it is the one trained on Kinetics-400 alone,
    `KINETICS400_V1`: swin3d_b has another that saw ImageNet-22K before.
    """

    weights: str
    """Enumeration of the published weights."""
    stages: tuple[str, ...]
    num_frames: int = 16
    stride: int = 2
    side: int = 112
    """Height and width of the clips, pixels."""
    mean_and_std: tuple[tuple[float, ...], tuple[float, ...]] = KINETICS
    classifier: str = "fc."
    """Prefix of the classifier's tensors."""
    fixed_clip: bool = False


_RESNET = ("stem", "layer1", "layer2", "layer3", "layer4")
_S3D = ("features.0", "features.3", "features.6", "features.12", "features.15")
_SWIN = ("patch_embed", "features.0", "features.2", "features.4", "features.6")
_MVIT = ("blocks.0", "blocks.2", "blocks.13", "blocks.15")
"""The last block of each size of the grid."""
_MODELS = {
    "r3d_18": _VideoModel("R3D_18_Weights", _RESNET),
    "mc3_18": _VideoModel("MC3_18_Weights", _RESNET),
    "r2plus1d_18": _VideoModel("R2Plus1D_18_Weights", _RESNET),
    "s3d": _VideoModel("S3D_Weights", _S3D, 128, 2, 224, classifier="classifier.1."),
    "mvit_v1_b": _VideoModel("MViT_V1_B_Weights", _MVIT, 16, 4, 224, MIDDLE, "head.1.", True),
    "mvit_v2_s": _VideoModel("MViT_V2_S_Weights", _MVIT, 16, 4, 224, MIDDLE, "head.1.", True),
    "swin3d_t": _VideoModel("Swin3D_T_Weights", _SWIN, 32, 2, 224, IMAGENET, "head."),
    "swin3d_s": _VideoModel("Swin3D_S_Weights", _SWIN, 32, 2, 224, IMAGENET, "head."),
    "swin3d_b": _VideoModel("Swin3D_B_Weights", _SWIN, 32, 2, 224, IMAGENET, "head."),
}


def torchvision_specs() -> list[BackboneSpec]:
    """Return the rows of torchvision's networks."""
    return [
        BackboneSpec(
            name=f"torchvision/{name}", builder=partial(_build, name), published=("kinetics400",),
            mean=model.mean_and_std[0], std=model.mean_and_std[1], num_frames=model.num_frames,
            stride=model.stride, size_hw=(model.side, model.side), stages=model.stages,
            classifier=model.classifier, fixed_clip=model.fixed_clip,
        )
        for name, model in _MODELS.items()
    ]  # fmt: skip


def _build(name: str, weights: str | None, temporal: Temporal) -> nn.Module:
    from torchvision.models import video

    trunk = getattr(video, name)()
    fit_pooling(trunk)
    model = _MODELS[name]
    if weights == "kinetics400":
        member = getattr(video, model.weights).KINETICS400_V1
        trunk.load_state_dict(
            download_state_dict(
                member.url, "model.weights=kinetics400", "set model.weights to a file or to none"
            )
        )
    elif weights is not None:
        load_weights(trunk, weights, optional=(model.classifier,))
    return trunk
