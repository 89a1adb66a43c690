"""Former names and meanings of settings: errors name the new one, old checkpoints keep theirs."""

from collections.abc import Mapping
from typing import Any

RENAMED = {
    "data.split": "data.fold",
    "data.workers": "data.num_workers",
    "data.crop.jitter": "data.crop.box_jitter",
    "data.tubes.nobody": "data.tubes.no_person",
    "data.augment.mirror": "data.augment.hflip, a probability (true is 0.5, false is 0)",
    "data.augment.color": "data.augment.color_jitter",
    "eval.clips": "eval.num_clips",
    "eval.crops": "eval.num_crops",
    "train.accumulate": "train.grad_accum_steps",
    "train.evaluate_every": "train.eval_interval",
    "train.out": "train.output_dir",
}
"""Old dotted name to new dotted name."""

MEANT = {"data.crop.padding": "black"}
"""Settings whose default is not what was done before there was a setting: what was done."""


def settings_meant_by(tree: Mapping[str, Any]) -> list[str]:
    """Return overrides for settings that are newer than the complete settings of a checkpoint.

    Args:
        tree: nested settings, unchecked.

    >>> settings_meant_by({"data": {"crop": {"padding": "mean"}}}), settings_meant_by({"data": {}})
    ([], ['data.crop.padding=black'])
    """
    return [f"{key}={value}" for key, value in MEANT.items() if _lacks(tree, key.split("."))]


def _lacks(tree: Any, names: list[str]) -> bool:
    """Return whether nested settings have no such key; not if they are no settings at all."""
    for name in names:
        if not isinstance(tree, Mapping):
            return False
        if name not in tree:
            return True
        tree = tree[name]
    return False
