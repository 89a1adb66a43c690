"""The files of figures."""

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from stn_action.errors import InputError
from stn_action.visualize.chart_figure import chart_style, save_figure, shorten_name
from stn_action.visualize.charts import draw_curves

CURVE = {"a": [(0.0, 1.0), (1.0, 2.0)]}


def figure_of(title: str = "a title"):
    return draw_curves(CURVE, x_label="x", y_label="y", title=title)


def test_a_figure_is_written_as_png_and_svg(tmp_path):
    files = save_figure(tmp_path / "new/chart.png", figure_of())
    assert files == [tmp_path / "new/chart.png", tmp_path / "new/chart.svg"]
    with Image.open(files[0]) as image:
        assert image.size == (1230, 720)
        colors = np.asarray(image.convert("RGB"))
    assert (colors == (0, 114, 178)).all(-1).sum() > 1000  # the curve
    text = files[1].read_text()
    assert text.startswith("<?xml")
    assert ">a title</text>" in text


def test_the_same_chart_gives_the_same_files(tmp_path):
    first = [path.read_bytes() for path in save_figure(tmp_path / "a.png", figure_of())]
    again = [path.read_bytes() for path in save_figure(tmp_path / "b.png", figure_of())]
    assert first == again
    assert b"dc:date" not in first[1]


def test_the_style_is_that_of_the_project_and_leaves_nothing_behind(tmp_path):
    before = dict(mpl.rcParams)
    save_figure(tmp_path / "a.png", figure_of())
    assert dict(mpl.rcParams) == before
    with mpl.rc_context({"lines.linewidth": 9, "axes.titlesize": 40}):
        assert figure_of().axes[0].lines[0].get_linewidth() == 2
        with chart_style():
            assert mpl.rcParams["axes.titlesize"] != 40


def test_names_in_any_script_are_text_of_the_svg(tmp_path):
    _, vector = save_figure(tmp_path / "a.png", figure_of("打篮球"))
    assert ">打篮球</text>" in vector.read_text(encoding="utf-8")


def test_where_a_chart_cannot_be_written_is_reported(tmp_path):
    with pytest.raises(InputError, match=r"a\.jpg: charts are written as PNG and SVG"):
        save_figure(tmp_path / "a.jpg", figure_of())
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"b\.png: cannot be written \("):
        save_figure(tmp_path / "file/b.png", figure_of())


def test_long_names_end_in_dots():
    assert shorten_name("WalkingWithDog", 14) == "WalkingWithDog"
    assert shorten_name("WalkingWithDog", 8) == "Walking…"
