"""Images: layout, text that fits, PNG files."""

import cv2
import numpy as np
import pytest
import torch

from stn_action.errors import InputError
from stn_action.visualize.images import (
    as_image,
    blank_image,
    fit_text,
    put_text,
    resize_image,
    save_png,
    text_width,
)


def test_a_tensor_is_turned_from_channels_first():
    frame = torch.arange(2 * 3 * 4, dtype=torch.uint8).view(3, 2, 4)
    assert (as_image(frame) == frame.permute(1, 2, 0).numpy()).all()


def test_a_png_file_reads_back_as_it_was(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (7, 11, 3), dtype=np.uint8)
    save_png(tmp_path / "new" / "a.png", image)
    read = cv2.imread(str(tmp_path / "new" / "a.png"))
    assert read is not None
    assert (read[:, :, ::-1] == image).all()


def test_another_format_and_a_bad_place_are_refused(tmp_path):
    image = blank_image((4, 4), (0, 0, 0))
    with pytest.raises(InputError, match=r"a\.jpg: .* must end in \.png"):
        save_png(tmp_path / "a.jpg", image)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/a\.png: cannot be written \("):
        save_png(tmp_path / "file" / "a.png", image)
    with pytest.raises(ValueError, match="a frame must be a uint8 array"):
        save_png(tmp_path / "a.png", image[0])


def test_text_is_shortened_to_its_room():
    name = "HandstandPushups"
    assert fit_text(name, 12, 1000) == name
    short = fit_text(name, 12, 80)
    assert short.endswith("...")
    assert name.startswith(short[:-3])
    assert text_width(short, 12) <= 80 < text_width(name, 12)
    assert fit_text(name, 12, 1) == ""


def test_text_stands_where_it_was_put():
    image = blank_image((60, 200), (0, 0, 0))
    put_text(image, "HEAD", 20, 40, height=20, color=(255, 255, 255))
    rows, columns = np.nonzero(image.max(-1) > 128)
    assert 18 <= rows.min() <= 22
    assert 37 <= rows.max() <= 42
    assert 18 <= columns.min() <= 25
    assert columns.max() <= 20 + text_width("HEAD", 20) + 2


def test_letters_that_the_font_lacks_do_no_harm():
    put_text(blank_image((40, 80), (0, 0, 0)), "café 手", 2, 30, height=12, color=(255, 255, 255))


def test_shrinking_averages():
    stripes = np.zeros((8, 8, 3), dtype=np.uint8)
    stripes[:, ::2] = 200
    assert (resize_image(stripes, (4, 4)) == 100).all()
