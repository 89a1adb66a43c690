"""ONNX networks whose boxes are where an image is bright, with the layouts of real detectors."""

from pathlib import Path

import onnx
from onnx import parser

HEIGHT, WIDTH = 48, 64
"""Of their inputs."""
BRIGHTEST = """
    red = Slice (image, zero, one, one)
    value = ReduceMax <keepdims = 0> (red)
    bright = Greater (red, limit)
    mask = Cast <to = 1> (bright)
    columns = ReduceMax <axes = [1, 2], keepdims = 0> (mask)
    rows = ReduceMax <axes = [1, 3], keepdims = 0> (mask)
    left = ArgMax <axis = 1> (columns)
    right = ArgMax <axis = 1, select_last_index = 1> (columns)
    top = ArgMax <axis = 1> (rows)
    bottom = ArgMax <axis = 1, select_last_index = 1> (rows)
    behind_x = Add (right, one)
    behind_y = Add (bottom, one)
    pixels = Concat <axis = 1> (left, top, behind_x, behind_y)
    floats = Cast <to = 1> (pixels)
    box = Div (floats, sides)
"""
"""The box (1, 4) of red above `limit` in `image`, relative to it, and the greatest red `value`."""
CONSTANTS = f"""
    zero = Constant <value_ints = [0]> ()
    one = Constant <value_ints = [1]> ()
    sides = Constant <value = float[4] {{{WIDTH}, {HEIGHT}, {WIDTH}, {HEIGHT}}}> ()
"""


def write_dfine(
    path: Path, *, people: int = 0, image: str = f"{HEIGHT}, {WIDTH}", labels: int = 3
) -> Path:
    """Three boxes: class 2 on the whole frame, a person where it is bright, and a weak person.

    The score of the second is the greatest red, and that of the third a tenth of it.
    """
    return _write(
        path,
        f"float[N, 3, {image}] images, int64[N, 2] orig_target_sizes",
        "int64[N, 3] labels, float[N, 3, 4] boxes, float[N, 3] scores",
        f"""
        {CONSTANTS}
        image = Identity (images)
        limit = Constant <value = float {{0.5}}> ()
        {BRIGHTEST}
        size = Cast <to = 1> (orig_target_sizes)
        scale = Concat <axis = 1> (size, size)
        all = Constant <value = float[1, 4] {{0, 0, 1, 1}}> ()
        three = Concat <axis = 0> (all, box, box)
        scaled = Mul (three, scale)
        boxes = Unsqueeze (scaled, zero)
        factors = Constant <value = float[1, 3] {{1, 1, 0.1}}> ()
        scores = Mul (factors, value)
        kinds = Constant <value = int64[1, 3] {{2, {people}, {people}}}> ()
        wanted = Constant <value_ints = [1, {labels}]> ()
        labels = Reshape (kinds, wanted)
        """,
    )


def write_rfdetr(path: Path, *, classes: int = 91, input_name: str = "input") -> Path:
    """Two boxes: a person where it is bright, and one of the last class on the whole image.

    The logit of both is the greatest normalized red; red is bright above 0.5 in [0, 1].
    """
    others = ", ".join(["-9"] * (classes - 2))
    return _write(
        path,
        f"float[1, 3, {HEIGHT}, {WIDTH}] {input_name}",
        f"float[1, 2, 4] dets, float[1, 2, {classes}] labels, float[1, 2, 8, 8] masks",
        f"""
        {CONSTANTS}
        image = Identity ({input_name})
        limit = Constant <value = float {{{(0.5 - 0.485) / 0.229}}}> ()
        {BRIGHTEST}
        two = Constant <value_ints = [2]> ()
        four = Constant <value_ints = [4]> ()
        first = Slice (box, zero, two, one)
        second = Slice (box, two, four, one)
        half = Constant <value = float {{0.5}}> ()
        sum = Add (first, second)
        center = Mul (sum, half)
        extent = Sub (second, first)
        person = Concat <axis = 1> (center, extent)
        all = Constant <value = float[1, 4] {{0.5, 0.5, 1, 1}}> ()
        both = Concat <axis = 0> (person, all)
        dets = Unsqueeze (both, zero)
        low = Constant <value = float[1] {{-9}}> ()
        many = Constant <value = float[{classes - 2}] {{{others}}}> ()
        shape = Constant <value_ints = [1]> ()
        logit = Reshape (value, shape)
        of_person = Concat <axis = 0> (low, logit, many)
        of_other = Concat <axis = 0> (low, many, logit)
        logits = Concat <axis = 0> (of_person, of_other)
        full = Constant <value_ints = [1, 2, {classes}]> ()
        labels = Reshape (logits, full)
        masks = Constant <value = float[1, 2, 8, 8] {{{", ".join(["0"] * 128)}}}> ()
        """,
    )


def write_identity(path: Path, shape: str) -> Path:
    """One input, which is the output."""
    return _write(path, f"float[{shape}] x", f"float[{shape}] y", "y = Identity (x)")


def _write(path: Path, inputs: str, outputs: str, body: str) -> Path:
    text = f'<ir_version: 8, opset_import: ["" : 17]> network ({inputs}) => ({outputs}) {{{body}}}'
    onnx.save(parser.parse_model(text), path)
    return path
