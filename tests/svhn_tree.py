"""A tiny SVHN in its official format: images, and `digitStruct.mat` in HDF5."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import h5py
import numpy as np

DIGIT_WH = 14, 22
FIELDS = ("height", "left", "top", "width", "label")
Edit = Callable[[h5py.File], None]


def write_svhn(root: Path, *, train: int = 12, test: int = 4, extra: int = 0) -> Path:
    """Write numbers of 1 to 3 digits, the same in each run."""
    for part, count in {"train": train, "test": test, "extra": extra}.items():
        if count:
            draws = np.random.default_rng([len(part), count])
            write_part(root / part, random_numbers(draws, count), draws)
    return root


def random_numbers(draws: np.random.Generator, count: int) -> list[str]:
    lengths = draws.integers(1, 4, count)
    return ["".join(map(str, draws.integers(0, 10, length))) for length in lengths]


def write_part(folder: Path, numbers: Sequence[str], draws: np.random.Generator) -> Path:
    """Write `1.png`, `2.png`, ... and the digits with their boxes."""
    folder.mkdir(parents=True)
    rows = []
    for place, number in enumerate(numbers, start=1):
        image, boxes = draw_number(number, draws)
        cv2.imwrite(str(folder / f"{place}.png"), image)
        rows.append((f"{place}.png", number, boxes))
    with h5py.File(folder / "digitStruct.mat", "w", userblock_size=512) as file:
        write_struct(file, rows)
    return folder


def draw_number(number: str, draws: np.random.Generator) -> tuple[np.ndarray, list[list[float]]]:
    """Paste digits side by side on noise; boxes are (left, top, width, height) of each digit."""
    width, height = DIGIT_WH
    image = draws.integers(0, 70, (height + 20, width * len(number) + 30, 3), dtype=np.uint8)
    left, top = (int(value) for value in draws.integers(2, 18, 2))
    boxes = []
    for place, digit in enumerate(number):
        x = left + width * place
        corner = (x, top + height - 3)
        cv2.putText(image, digit, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.65, (250, 250, 250), 2)
        boxes.append([float(x), float(top), float(width), float(height)])
    return image, boxes


def write_struct(file: h5py.File, rows: Sequence[tuple[str, str, list[list[float]]]]) -> None:
    """Write as MATLAB does: one number as it is, several by references."""
    struct, kept = file.create_group("digitStruct"), file.create_group("#refs#")
    names = struct.create_dataset("name", (len(rows), 1), dtype=h5py.ref_dtype)
    groups = struct.create_dataset("bbox", (len(rows), 1), dtype=h5py.ref_dtype)
    for row, (name, number, boxes) in enumerate(rows):
        codes = np.array([[ord(letter)] for letter in name], dtype=np.uint16)
        names[row, 0] = kept.create_dataset(f"name{row}", data=codes).ref
        group = kept.create_group(f"bbox{row}")
        groups[row, 0] = group.ref
        columns = {
            "left": [box[0] for box in boxes], "top": [box[1] for box in boxes],
            "width": [box[2] for box in boxes], "height": [box[3] for box in boxes],
            "label": [float(digit) if digit != "0" else 10.0 for digit in number],
        }  # fmt: skip
        for field, values in columns.items():
            write_field(file, row, field, values)


def write_field(file: h5py.File, row: int, field: str, values: Sequence[float]) -> None:
    """Write, or write anew, a field of an image."""
    group, kept = file[f"#refs#/bbox{row}"], file["#refs#"]
    if field in group:
        del group[field]
    if len(values) == 1:
        group.create_dataset(field, data=np.array([values]))
        return
    references = group.create_dataset(field, (len(values), 1), dtype=h5py.ref_dtype)
    for place, value in enumerate(values):
        name = f"{field}{len(kept)}"
        references[place, 0] = kept.create_dataset(name, data=np.array([[value]])).ref


def edit_struct(folder: Path, edit: Edit) -> Path:
    """Change the file of a part."""
    with h5py.File(folder / "digitStruct.mat", "r+") as file:
        edit(file)
    return folder / "digitStruct.mat"
