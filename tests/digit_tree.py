"""A tiny set of digits in MNIST's files."""

from pathlib import Path

import torch

from stn_action.data.digits.idx_file import write_idx


def write_digits(root: Path, *, train: int, test: int) -> Path:
    """Write digits whose class is the row of a bright bar, one class after the other."""
    root.mkdir(parents=True, exist_ok=True)
    for part, count in {"train": train, "t10k": test}.items():
        labels = (torch.arange(count) % 10).byte()
        images = torch.randint(0, 60, (count, 28, 28), dtype=torch.uint8)
        for image, label in zip(images, labels.tolist(), strict=True):
            image[4 + 2 * label : 6 + 2 * label, 6:22] = 255
        write_idx(root / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(root / f"{part}-labels-idx1-ubyte", labels)
    return root
