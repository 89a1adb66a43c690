"""What a checkpoint has to hold to be used: keys and types, of whatever origin the file is."""

from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from stn_action.errors import InputError

MAX_CLASSES = 100_000
MAX_POSITIONS = 1000
MAX_NAME = 1000
"""Characters of a class's name."""


class Part(NamedTuple):
    """One key of a checkpoint."""

    wanted: str
    """What it is, for the message."""
    fits: Callable[[Any], bool]
    optional: bool = False
    """Whether it may be missing, in a checkpoint of before there was such a key."""


def check_trained(content: Mapping[str, Any], path: str | Path) -> None:
    """Check that a checkpoint has what a prediction or a test needs.

    Raises:
        InputError: a key is missing or holds something else.
    """
    _check_parts(content, path, TRAINED)


def check_resumable(content: Mapping[str, Any], path: str | Path) -> None:
    """Check that a checkpoint has what a run needs to go on.

    Raises:
        InputError: a key is missing or holds something else.
    """
    _check_parts(content, path, TRAINED | RESUMED)


def positions_in(content: Mapping[str, Any]) -> int:
    """Return how many positions the network classifies; 1 before checkpoints held a number."""
    return content.get("positions", 1)


def is_multi_label(content: Mapping[str, Any]) -> bool:
    """Return whether a video may have several labels; not so before checkpoints told it."""
    return content.get("multi_label", False)


def check_weights(weights: Mapping[str, Tensor], path: str | Path) -> None:
    """Check that weights hold neither NaN nor infinity.

    Raises:
        InputError: one does.
    """
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise InputError(
                f"{path}: the weights {name} hold NaN or infinity: the training diverged before it "
                "was written; take an earlier checkpoint, or train with a lower optim.lr"
            )


def _check_parts(content: Mapping[str, Any], path: str | Path, parts: dict[str, Part]) -> None:
    for key, part in parts.items():
        if key not in content:
            if part.optional:
                continue
            raise InputError(
                f"{path}: the checkpoint has no {key!r}, expected {part.wanted}; it was not "
                "written by stn_action's training, take one that was"
            )
        if not part.fits(content[key]):
            raise InputError(
                f"{path}: {key!r} in the checkpoint must be {part.wanted}, got "
                f"{_kind(content[key])}; it was not written by stn_action's training"
            )


def _is_class_names(value: Any) -> bool:
    if type(value) not in (list, tuple) or not 0 < len(value) <= MAX_CLASSES:
        return False
    if not all(type(name) is str and 0 < len(name) <= MAX_NAME for name in value):
        return False
    return len(set(value)) == len(value)


def _is_positions(value: Any) -> bool:
    return type(value) is int and 1 <= value <= MAX_POSITIONS


def _is_switch(value: Any) -> bool:
    return type(value) is bool


def _is_weights(value: Any) -> bool:
    return isinstance(value, dict) and all(
        type(name) is str and isinstance(tensor, Tensor) and _is_dense(tensor)
        for name, tensor in value.items()
    )


def _is_dense(tensor: Tensor) -> bool:
    plain = tensor.layout == torch.strided and not tensor.is_quantized and not tensor.is_complex()
    return plain and tensor.device.type == "cpu"


def _is_text_or_none(value: Any) -> bool:
    return value is None or (type(value) is str and len(value) <= MAX_NAME)


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def _is_dict_or_none(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 10**12


def _is_score(value: Any) -> bool:
    return value is None or type(value) in (int, float)


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(
        type(part) is str for pair in value.items() for part in pair
    )


def _kind(value: Any) -> str:
    """Return the type of a value, and of what is in a container."""
    name = type(value).__name__
    if isinstance(value, dict) and value:
        kinds = sorted({type(item).__name__ for item in islice(value.values(), 100)})
        return f"a {name} of {', '.join(kinds[:3])}"
    if isinstance(value, list | tuple):
        return f"a {name} of {len(value)}"
    return f"a {name}"


TRAINED = {
    "config": Part("the settings of its run", _is_dict),
    "classes": Part("the names of its classes, a list of different texts", _is_class_names),
    "network": Part("the weights by name, plain tensors", _is_weights),
    "positions": Part("the number of positions with a class each", _is_positions, optional=True),
    "multi_label": Part("whether videos have several labels", _is_switch, optional=True),
    "features": Part("the digest of its stored features or None", _is_text_or_none, optional=True),
}
"""What a prediction or a test needs."""
RESUMED = {
    "optimizer": Part("the state of the optimizer", _is_dict),
    "schedule": Part("the state of the learning rate", _is_dict),
    "monitor": Part("the state of the monitor of heads", _is_dict),
    "epoch": Part("the number of finished epochs", _is_count),
    "batch": Part("the number of finished batches of the next epoch", _is_count),
    "totals": Part("the totals of these batches or None", _is_dict_or_none),
    "best": Part("the best score or None", _is_score),
    "since_best": Part("the number of evaluations since the best", _is_count, optional=True),
    "unreadable": Part("messages by the names of unreadable videos", _is_texts),
}
"""What a run needs besides, to go on."""
