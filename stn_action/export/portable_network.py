"""A trained network as a function of tensors to tensors, which can be traced.

Letters: K heads (or other descriptions), S thetas or maps of weights of a clip.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from stn_action.batch import class_probabilities
from stn_action.config.schema import Config
from stn_action.models.network import FocusedNetwork
from stn_action.models.prediction import Focus, Prediction

PROBABILITIES, LOGITS = "probabilities", "logits"
CLIP, EXTENTS = "clip", "extents"
TOLERANCE = 1e-4
"""Of what an exported network computes, against the original."""


class PortableNetwork(nn.Module):
    """Clips (B, 3, T, H, W) uint8 RGB to probabilities, logits and where the heads looked.

    Args:
        network: trained, in eval mode, with its normalization inside.
        positions: how many are classified; see `VideoPrediction.positions`.
        multi_label: each class has a probability of its own.
    """

    def __init__(
        self, network: FocusedNetwork, *, positions: int = 1, multi_label: bool = False
    ) -> None:
        super().__init__()
        self.network = network
        self.positions = positions
        self.multi_label = multi_label

    @property
    def input_names(self) -> tuple[str, ...]:
        """Return the names of the inputs, in order."""
        takes_extents = any(readout.takes_extents for readout in self.network.readouts)
        return (CLIP, EXTENTS) if takes_extents else (CLIP,)

    def forward(self, clip: Tensor, extents: Tensor | None = None) -> tuple[Tensor, ...]:
        """Classify clips.

        Args:
            clip: (B, 3, T, H, W) uint8 RGB.
            extents: (B, T, 2, 4) float32, of networks that use them; see `Batch.extents`.

        Returns:
            Tensors in the order of `output_names`.
        """
        prediction = self.network(clip, extents=extents)
        logits = prediction.logits
        if self.multi_label:
            probabilities = logits.sigmoid()
        else:
            probabilities = class_probabilities(logits, self.positions)
        tensors = [probabilities, logits]
        for focus in prediction.focus:
            tensors.append(focus.places)
            if focus.base is not None and focus.has_base_of_clips:
                tensors.append(focus.base)
        return tuple(tensors)


def output_names(focus: tuple[Focus, ...]) -> tuple[str, ...]:
    """Return the names of the outputs of a portable network, of the focus that it predicts.

    They are `probabilities` (B, C), `logits` (B, C), and of every placement `theta` (B, K, S,
    *kind) or `weights` (B, K, S, h, w), with `base` (B, K, *kind) where each clip has its own; from
    the second placement on with its number, `theta_1`.
    """
    names = [PROBABILITIES, LOGITS]
    for number, one in enumerate(focus):
        end = f"_{number}" if number else ""
        names.append(("weights" if one.theta is None else "theta") + end)
        if one.has_base_of_clips:
            names.append(f"base{end}")
    return tuple(names)


def example_inputs(
    config: Config, batch_size: int, *, seed: int, with_extents: bool
) -> dict[str, Tensor]:
    """Return random clips of the configured size, and extents if they are wanted, by name."""
    generator = torch.Generator().manual_seed(seed)
    H, W = config.data.crop.size
    T = config.data.clip.num_frames
    clip = torch.randint(0, 256, (batch_size, 3, T, H, W), dtype=torch.uint8, generator=generator)
    if not with_extents:
        return {CLIP: clip}
    corners = torch.rand(batch_size, T, 2, 2, generator=generator)
    image = torch.tensor([-1.0, -1.0, 1.0, 1.0]).expand(batch_size, T, 4)
    person = torch.cat([corners[:, :, 0] * 0.9 - 1, corners[:, :, 1] * 0.9 + 0.1], dim=-1)
    return {CLIP: clip, EXTENTS: torch.stack([image, person], dim=2)}


def prediction_of(tensors: dict[str, Tensor], templates: tuple[Focus, ...]) -> Prediction:
    """Return the prediction that the outputs of a portable network stand for.

    Args:
        tensors: by the names of `output_names`.
        templates: the focus of each placement, with places of any clip.
    """
    focus = []
    for number, template in enumerate(templates):
        end = f"_{number}" if number else ""
        kind = "weights" if template.theta is None else "theta"
        base = tensors.get(f"base{end}", template.base)
        focus.append(replace(template.with_places(tensors[kind + end]), base=base))
    return Prediction(tensors[LOGITS], tuple(focus), None)
