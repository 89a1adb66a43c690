"""The `model` section of a configuration: trunk, weights and heads."""

from typing import Annotated

from pydantic import AfterValidator, Field

from stn_action.config.focus_schema import BackboneName, FocusConfig
from stn_action.config.types import (
    NameOrNone,
    Number,
    Section,
    Switch,
    Text,
    Whole,
)
from stn_action.models.model_choices import (
    Temporal,
)


def _no_shift_of_all(divisor: int) -> int:
    if divisor == 1:
        raise ValueError(
            "expected 0 for none, or at least 2: one of so many channels goes each way"
        )
    return divisor


class ModelConfig(Section):
    """The trunk, its weights and its heads."""

    backbone: BackboneName
    """torchvision/<video network>, pytorchvideo/<video network>, timm/<image network> (frame by
    frame), hf/<video transformer> (also hf/<owner>/<model> of Hugging Face's hub, or hf/<folder>
    with its config.json), digits/<network> or svhn/<network> (of the spatial transformer paper),
    small3d, or a network of your own: python:<module>:<function>, or python:<file>.py:<function>
    with a path from the working directory (docs/own_network.md)."""
    weights: NameOrNone = None
    """Published weights (kinetics400, imagenet; pretrained: what a repository of Hugging Face's hub
    holds), the path of a weights file (of the trunk's library, mmaction2 or PySlowFast; of an image
    ResNet-50, to be inflated), of a run's checkpoint (its trunk), or none."""
    features_from: Text | None = None
    """Module of the trunk whose output are its features, by module path, where its classifier
    cannot be found; null: the trunk without its classifier."""
    freeze_until: Text | None = None
    """Last frozen stage; its batch norm stays in evaluation mode. null: train all of the trunk."""
    freeze_batch_norm: Switch = False
    """Freeze the trunk's batch norm, where the trunk is trained too: its statistics, scales and
    shifts stay those of the weights file (`train.batch_norm` frozen keeps the statistics alone)."""
    temporal: Temporal = "mean"
    """How image trunks join their frames: the mean over time, features together with their
    differences between frames, a small temporal convolution or a small transformer."""
    temporal_shift: Annotated[Whole, AfterValidator(_no_shift_of_all)] = 0
    """Temporal shift (TSM, arXiv 1811.08383) in the residual blocks of image trunks: one of so many
    channels goes to the frame before, another to the frame after; 8 is usual. 0: none, each frame
    is alone until `temporal`."""
    dropout: Annotated[Number, Field(ge=0, lt=1)] = 0.5
    """Dropout probability before the classifiers."""
    focus: FocusConfig | None = None
    """The heads; null: none, the plain trunk."""
