"""Networks of the user's own code, by the name of the function that builds them."""

from functools import partial

from torch import nn

from stn_action.errors import InputError
from stn_action.models.backbones.backbone_spec import IMAGENET, BackboneSpec
from stn_action.models.backbones.trunk_weights import load_weights
from stn_action.models.model_choices import Temporal
from stn_action.user_code import user_object, user_result

SETTING = "model.backbone"


def user_trunk_spec(name: str) -> BackboneSpec:
    """Return the row of a network of the user's own; nothing is imported before it is built.

    Pixels are normalized by the mean and deviation of ImageNet. Clips can have any length and size
    that the network takes.

    Args:
        name: `python:<module>:<function>` or `python:<file>.py:<function>`.
    """
    return BackboneSpec(
        name=name, builder=partial(_build, name), mean=IMAGENET[0], std=IMAGENET[1],
        num_frames=16, stride=2, size_hw=(112, 112),
    )  # fmt: skip


def _build(name: str, weights: str | None, temporal: Temporal) -> nn.Module:
    trunk = user_result(user_object(name, SETTING), f"{SETTING} {name}")
    if not isinstance(trunk, nn.Module):
        raise InputError(
            f"{SETTING} {name}: expected a function that returns a torch.nn.Module if it is called "
            f"without arguments, got {type(trunk).__name__}"
        )
    if weights is not None:
        load_weights(trunk, weights)
    return trunk
