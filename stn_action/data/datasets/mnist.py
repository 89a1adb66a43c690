"""MNIST: 70,000 handwritten digits in four idx files (LeCun et al. 1998)."""

from pathlib import Path

import torch
from torch import Tensor

from stn_action.data.digits.digit_clips import read_images
from stn_action.data.digits.idx_file import read_idx
from stn_action.data.listing import Listing, require_folder
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError

CLASSES = tuple(map(str, range(10)))
SUMS = tuple(map(str, range(19)))
PARTS = {"train": "train", "test": "t10k"}
"""Names of the parts and how their files begin."""
REMEDY = (
    "get them with `python -c \"from torchvision.datasets import MNIST; MNIST('data/mnist', "
    'download=True)"` and set data.root to that folder'
)


def list_mnist(root: str | Path, fold: int = 1) -> Listing:
    """List the digits of MNIST, or of a set in the same files.

    Args:
        root: the folder of the four files, or that of torchvision's download (`MNIST/raw`); each
            may be compressed (`.gz`).
        fold: 1; there is one.

    Raises:
        InputError: a file is missing, damaged, or not of this set.
    """
    root = require_folder(root, what="mnist", remedy=REMEDY)
    folder = root / "MNIST" / "raw"
    folder = folder if folder.is_dir() else root
    train, test = (_part(folder, part) for part in PARTS)
    return Listing("mnist", CLASSES, train=train, val=VideoTable(), test=test, unit="digits")


def list_mnist_addition(root: str | Path, fold: int = 1) -> Listing:
    """List pairs of MNIST's digits, whose class is their sum.

    The task of the spatial transformer paper's appendix A.5. Every digit is the first of one pair
    and, by a permutation that is always the same, the second of another.

    Args:
        root: as of `list_mnist`.
        fold: 1; there is one.

    Raises:
        InputError: as `list_mnist`.
    """
    digits = list_mnist(root, fold)
    train, test = (_pairs(part) for part in (digits.train, digits.test))
    return Listing(
        "mnist addition", SUMS, train=train, val=VideoTable(), test=test, unit="pairs of digits"
    )


def _pairs(digits: VideoTable) -> VideoTable:
    generator = torch.Generator().manual_seed(len(digits))
    others = torch.randperm(len(digits), generator=generator)
    sums = digits.targets + digits.targets[others]
    return VideoTable(
        Video(f"{one.name}+{other:05d}", one.path, total, one.name)
        for one, other, total in zip(digits, others.tolist(), sums.tolist(), strict=True)
    )


def _part(folder: Path, part: str) -> VideoTable:
    images = _file(folder, f"{PARTS[part]}-images-idx3-ubyte")
    labels_file = _file(folder, f"{PARTS[part]}-labels-idx1-ubyte")
    labels = _labels(labels_file, images)
    names = (f"{part}/{number:05d}" for number in range(len(labels)))
    return VideoTable(
        Video(name, images, label, name) for name, label in zip(names, labels.tolist(), strict=True)
    )


def _labels(path: Path, images: Path) -> Tensor:
    labels, count = read_idx(path, num_dimensions=1), len(read_images(str(images)))
    if len(labels) != count:
        raise InputError(
            f"{path}: {len(labels)} labels, but {images.name} has {count} images; are they of one "
            "set?"
        )
    if not len(labels) or int(labels.max()) >= len(CLASSES):
        found = f"a label {int(labels.max())}" if len(labels) else "no label"
        raise InputError(f"{path}: expected labels from 0 to 9, got {found}; is it of another set?")
    return labels


def _file(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise InputError(f"mnist: {folder} has no file {name} or {name}.gz; {REMEDY}")
