"""Plan of a sweep: the setting and its values, and the checkpoints that are tested."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stn_action.build.data import fold_configs
from stn_action.build.model import config_of_checkpoint
from stn_action.checksum import checksum
from stn_action.config.fingerprint import is_within
from stn_action.config.schema import Config
from stn_action.errors import InputError
from stn_action.runs.folds import FOLD_CHECKPOINTS
from stn_action.training.checkpoint import load_checkpoint
from stn_action.training.checkpoint_content import check_trained

FIXED = ("model", "data.name", "data.fold", "data.folds", "data.fold_seed")
"""Sections and keys that a checkpoint was trained with, once and for all."""
WITHOUT_EFFECT = (
    "optim", "train", "data.augment", "data.crop.box_jitter", "data.max_unreadable",
    "data.num_workers", "data.official", "data.regions", "eval.batch_size", "eval.shuffled_theta",
)  # fmt: skip
"""Sections and keys on which the scores of a test do not depend."""
WITH_EFFECT = ("train.precision",)
OF_PEOPLE = (
    "data.crop.looseness", "data.crop.box_error", "data.crop.beyond", "data.crop.padding",
    "data.crop.scene_seed", "data.crop.motion", "data.crop.smooth_window", "data.tubes",
)  # fmt: skip
"""Sections and keys that mean something only where there are person boxes."""


@dataclass(frozen=True)
class Member:
    """One checkpoint file."""

    path: Path
    content: dict[str, Any]
    """What it holds besides the weights: `config` and `classes`."""
    digest: str
    """Checksum of the file."""
    fold: tuple[str, ...] = ()
    """Overrides that keep it to its own fold."""


@dataclass(frozen=True)
class Subject:
    """The subject of one curve: a checkpoint, or those of all folds of a run."""

    name: str
    """Short, and no other's."""
    members: tuple[Member, ...]


def parse_sweep(text: str) -> tuple[str, list[str]]:
    """Split `key.sub=value,value` into the key and the values.

    Raises:
        InputError: it has another form, or a value is given twice.

    >>> parse_sweep("data.crop.size=96,[96,128]")
    ('data.crop.size', ['96', '[96,128]'])
    """
    key, equals, values = (part.strip() for part in text.partition("="))
    parts = [value.strip() for value in re.split(r",(?![^\[]*\])", values)]
    if not equals or not all(key.split(".")) or not all(parts):
        raise InputError(
            f"--sweep {text!r}: expected key.sub=value,value, as in data.crop.looseness=0,0.25,1"
        )
    if twice := sorted({value for value in parts if parts.count(value) > 1}):
        raise InputError(f"--sweep {key}: {twice[0]} is given twice")
    return key, parts


def check_key(key: str, config: Config) -> None:
    """Check that a setting can change the test of a checkpoint.

    Args:
        key: dotted, a known one.
        config: by which one of the values is tested.

    Raises:
        InputError: it is fixed by training, or nothing would change.
    """
    if is_within(key, FIXED):
        raise InputError(
            f"--sweep {key}: a checkpoint was trained with one {key}, it cannot change afterwards; "
            "train a run for each value and give their checkpoints, or sweep a key of data or eval"
        )
    if is_within(key, WITHOUT_EFFECT) and key not in WITH_EFFECT:
        raise InputError(
            f"--sweep {key}: nothing would change, the scores of a test do not depend on it; sweep "
            "a key such as data.crop.looseness, data.clip.stride or eval.num_clips"
        )
    if is_within(key, OF_PEOPLE) and config.data.people is None:
        raise InputError(
            f"--sweep {key}: nothing would change, data.people is null and whole frames are used; "
            "give the person boxes too (data.people=FILE_OR_FOLDER)"
        )


def subjects_of(paths: Sequence[str | Path]) -> list[Subject]:
    """Load the checkpoints of files and run folders; give them short names.

    Raises:
        InputError: there is none, one is given twice, or folds are missing.
    """
    given = [Path(path) for path in paths]
    whole = [path.resolve() for path in given]
    for path in given:
        if whole.count(path.resolve()) > 1:
            raise InputError(f"--checkpoint: {path} is given twice")
    return [Subject(name, _members(path)) for name, path in zip(_names(given), given, strict=True)]


def _members(path: Path) -> tuple[Member, ...]:
    if not path.is_dir():
        return (_member(path),)
    if (path / "last.pt").is_file():
        return (_member(path / "last.pt"),)
    files = sorted(path.glob(FOLD_CHECKPOINTS))
    if not files:
        raise InputError(
            f"{path}: there is no last.pt and no {FOLD_CHECKPOINTS} in this folder; give the "
            "folder of a run of tools/train.py, or a checkpoint"
        )
    members: dict[int, Member] = {}
    expected: list[Any] = []
    for file in files:
        member = _member(file)
        config = config_of_checkpoint(member.content, file, trust=True)  # nothing is built of it
        own = config.data.fold
        assert isinstance(own, int)
        members[own] = Member(file, member.content, member.digest, (f"data.fold={own}",))
        expected = [fold.data.fold for fold in fold_configs(config)]
    if missing := [fold for fold in expected if fold not in members]:
        raise InputError(
            f"{path}: {len(missing)} of {len(expected)} folds have no checkpoint, the first is "
            f"fold_{missing[0]}/last.pt; finish the run with --resume, or give single checkpoints"
        )
    return tuple(member for _, member in sorted(members.items()))


def _member(path: Path) -> Member:
    content = load_checkpoint(path)
    check_trained(content, path)
    kept = {key: content[key] for key in ("config", "classes")}
    return Member(path, kept, checksum(path))


def _names(paths: Sequence[Path]) -> list[str]:
    """Return the last parts of the paths, as many as distinguish them, without `last.pt`."""
    parts = []
    for path in paths:
        resolved = path.resolve()
        parts.append(
            resolved.parent.parts if path.name == "last.pt" else resolved.with_suffix("").parts
        )
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(own[-count:]) for own in parts]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]
