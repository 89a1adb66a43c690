"""Draw docs/digits.png: distorted digits with the grids before training and after it.

python docs/draw_digits.py runs/paper_mnist --root data/mnist
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import PIL.Image

from stn_action.build.video_sets import videos_named
from stn_action.predictor import Predictor
from stn_action.runs.attention_images import visualize
from stn_action.runs.digit_images import SHEET, TEXT_HEIGHT
from stn_action.visualize.image_layout import vstack_images
from stn_action.visualize.images import Image
from stn_action.visualize.legend import draw_header

DOCS = Path(__file__).parent
DIGITS = (1, 4, 8)
"""Of the test files: a 2, a 4 and a 5."""
COLORS = 48
"""Of the file, which is a fifth as large as with all."""
ROWS = {
    "R": "st_cnn_affine", "RTS": "st_cnn_affine", "P": "st_cnn_projective", "E": "st_cnn_tps",
    "TC": "st_cnn_affine",
}  # fmt: skip
"""Distortions and the networks whose transformer is drawn."""


def draw_row(checkpoint: Path, root: str) -> Image:
    """Draw a few digits of the test set: with the first grid, the learned one, and the result."""
    predictor = Predictor.load(checkpoint, [f"data.root={root}"])
    tested = videos_named(["test"], predictor.config, announce=lambda _: None)
    with TemporaryDirectory() as folder:
        list(visualize(predictor, [tested[number] for number in DIGITS], Path(folder)))
        return np.array(PIL.Image.open(Path(folder) / SHEET).convert("RGB"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, help="of tools/benchmark.py paper_mnist")
    parser.add_argument("--root", default="data/mnist", help="of MNIST (default: data/mnist)")
    options = parser.parse_args()
    images = []
    for distortion, network in ROWS.items():
        row = draw_row(options.runs / distortion / f"{network}_seed0" / "last.pt", options.root)
        title = f"{distortion}, {network.replace('_', '-')}: start, learned, what is sampled there"
        images += [draw_header(title, None, row.shape[1], TEXT_HEIGHT), row]
    sheet = PIL.Image.fromarray(vstack_images(images)).quantize(COLORS)
    sheet.save(DOCS / "digits.png", optimize=True)
