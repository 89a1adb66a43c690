"""A tiny CUB-200-2011 in its official layout."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Sooty_Albatross")


def write_cub(root: Path, *, train: int = 2, test: int = 1, size_hw: tuple[int, int] = (60, 81)):
    """Write for each class `train` images to train on and `test` to test on, one of them gray.

    A bird is a bright square on noise; its class is its color. Ids are as in the official lists:
    from 1 on, in the order of the classes.

    Returns:
        The folder of the lists.
    """
    folder = root / "CUB_200_2011"
    lists: dict[str, list[str]] = {
        name: [] for name in ("images", "image_class_labels", "train_test_split", "bounding_boxes")
    }
    draws = np.random.default_rng(0)
    height, width = size_hw
    for label, class_name in enumerate(CLASSES, start=1):
        (folder / "images" / class_name).mkdir(parents=True)
        for place in range(train + test):
            number = len(lists["images"]) + 1
            file = f"{class_name}/{class_name[4:]}_{number:04d}_{7 * number}.jpg"
            image = draws.integers(0, 90, (height, width, 3), dtype=np.uint8)
            x, y, side = 5 + number, 3 + number, 30
            image[y : y + side, x : x + side, label - 1] = 250
            photo = Image.fromarray(image)
            (photo.convert("L") if number == 1 else photo).save(folder / "images" / file)
            lists["images"].append(f"{number} {file}")
            lists["image_class_labels"].append(f"{number} {label}")
            lists["train_test_split"].append(f"{number} {int(place < train)}")
            lists["bounding_boxes"].append(f"{number} {x}.0 {y}.0 {side}.0 {side}.0")
    lists["classes"] = [f"{label} {name}" for label, name in enumerate(CLASSES, start=1)]
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return folder


def edit_list(folder: Path, name: str, before: str, after: str) -> None:
    """Replace one line of a list, or a part of it, which must be there."""
    text = (folder / name).read_text()
    assert before in text
    (folder / name).write_text(text.replace(before, after, 1))
