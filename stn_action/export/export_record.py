"""What an exported network needs to be used, as text inside its file: classes, settings, focus."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch

from stn_action.config.schema import Config, config_from_dict, to_dict
from stn_action.errors import InputError
from stn_action.geometry.cells import Cells
from stn_action.models.backbones.backbone_table import backbone_spec
from stn_action.models.prediction import Focus

KEY = "stn_action"
"""Under which the text is in the metadata of a file."""
VERSION = 1


@dataclass(frozen=True)
class ExportRecord:
    """The record of an exported network."""

    config: Config
    """Settings of its run: how clips are made, how many views a video has."""

    classes: tuple[str, ...]
    """Names of the C classes."""

    positions: int
    """How many positions are classified; see `VideoPrediction.positions`."""

    multi_label: bool
    """Each class has a probability of its own."""

    people: str | None
    """Name of the file of person boxes that it was trained with; None: on whole frames."""

    inputs: tuple[str, ...]
    """Names of the input tensors, in order."""

    outputs: tuple[str, ...]
    """Names of the output tensors, in order."""

    templates: tuple[Focus, ...]
    """The focus of each placement, without places."""

    def to_text(self) -> str:
        """Return it as JSON; `input` tells a program without stn_action how to make a clip."""
        spec, data = backbone_spec(self.config.model.backbone), self.config.data
        H, W = data.crop.size
        return json.dumps(
            {
                "version": VERSION,
                "classes": self.classes,
                "positions": self.positions,
                "multi_label": self.multi_label,
                "input": {
                    "clip": ["batch", 3, data.clip.num_frames, H, W],
                    "dtype": "uint8",
                    "color": "RGB",
                    "values": [0, 255],
                    "normalization_inside": {"mean": spec.mean, "std": spec.std},
                },
                "people": self.people,
                "inputs": self.inputs,
                "outputs": self.outputs,
                "focus": [_focus_tree(one) for one in self.templates],
                "config": to_dict(self.config),
            }
        )

    @classmethod
    def from_text(cls, text: str, source: str, overrides: tuple[str, ...] = ()) -> Self:
        """Read what `to_text` returned.

        Args:
            text: JSON.
            source: the file, for messages.
            overrides: `key.sub=value`, in place of the settings of the file.

        Raises:
            InputError: it is no such text, of another version, or an override is wrong.
        """
        try:
            tree = json.loads(text)
            version = tree["version"]
            if version != VERSION:
                raise InputError(
                    f"{source}: exported in format {version!r}, this stn_action reads {VERSION}: "
                    "export the checkpoint again"
                )
            config = config_from_dict(tree["config"], source, overrides)
            return cls(
                config, tuple(map(str, tree["classes"])), int(tree["positions"]),
                bool(tree["multi_label"]), tree["people"], tuple(map(str, tree["inputs"])),
                tuple(map(str, tree["outputs"])), tuple(map(_template, tree["focus"])),
            )  # fmt: skip
        except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{source}: the record of stn_action in it is damaged ({type(error).__name__}: "
                f"{error}); export the checkpoint again"
            ) from None


def template_of(focus: Focus) -> Focus:
    """Return a focus without places, and without a base of its clips."""
    base = None if focus.has_base_of_clips else focus.base
    nowhere = torch.empty(0)
    theta, weights = (nowhere, None) if focus.weights is None else (None, nowhere)
    return Focus(
        theta,
        base,
        focus.stage,
        focus.cells,
        focus.min_scale,
        weights,
        focus.can_be_given,
        focus.moved,
    )


def _focus_tree(focus: Focus) -> dict[str, Any]:
    return {
        "stage": focus.stage,
        "kind": "weights" if focus.theta is None else "theta",
        "base": None if focus.base is None else focus.base.tolist(),
        "cells": asdict(focus.cells),
        "min_scale": focus.min_scale,
        "can_be_given": focus.can_be_given,
        "moved": focus.moved,
    }


def _template(tree: Mapping[str, Any]) -> Focus:
    nowhere = torch.empty(0)
    base = None if tree["base"] is None else torch.tensor(tree["base"], dtype=torch.float32)
    theta, weights = (None, nowhere) if tree["kind"] == "weights" else (nowhere, None)
    cells = Cells(**{name: tuple(value) for name, value in tree["cells"].items()})
    return Focus(
        theta, base, str(tree["stage"]), cells, float(tree["min_scale"]), weights,
        bool(tree["can_be_given"]), bool(tree.get("moved", False)),
    )  # fmt: skip
