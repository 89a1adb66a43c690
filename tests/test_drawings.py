"""The drawings of docs/ that scripts of the project make: they say what source and tables say."""

import math
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from docs.draw_results import draw_evidence, draw_look_twice
from docs.draw_rooms import (
    HEIGHT,
    WIDTH,
    base_rooms,
    draw_rooms,
    read_imports,
    read_words,
    shorten_imports,
    stack_rooms,
)

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
IMPORTS = read_imports()
BASE = base_rooms(IMPORTS)
UPPER = {room: found - set(BASE) for room, found in IMPORTS.items() if room not in BASE}
AGAIN = "the imports have changed: run python docs/draw_rooms.py"


def test_the_drawing_in_the_docs_names_all_rooms_and_arrows():
    text = (DOCS / "rooms.svg").read_text(encoding="utf-8")
    entries = (ROOT / "stn_action").iterdir()
    rooms = {path.stem for path in entries if path.is_dir() or path.suffix == ".py"}
    rooms = {name for name in rooms if not name.startswith("__")}
    assert set(IMPORTS) == rooms
    assert rooms <= set(re.findall(r">(\w+)</text>", text)), AGAIN
    drawn = set(re.findall(r'id="(\w+)-to-(\w+)"', text))
    arrows = {(room, other) for room, found in shorten_imports(UPPER).items() for other in found}
    assert drawn == arrows, AGAIN


def test_every_room_says_what_it_is_for():
    words = read_words()
    assert all(words[room] for room in IMPORTS)


def test_each_room_stands_above_what_it_imports():
    imports = {"a": {"b", "c"}, "b": {"c"}, "c": set(), "d": {"c"}, "e": {"a", "c"}}
    assert stack_rooms(imports) == [["c"], ["b", "d"], ["a"], ["e"]]
    assert shorten_imports(imports) == {"a": {"b"}, "b": {"c"}, "c": set(), "d": {"c"}, "e": {"a"}}
    with pytest.raises(ValueError, match=r"rooms import each other in a circle: a, b"):
        stack_rooms({"a": {"b"}, "b": {"a"}, "c": set()})


def test_imports_are_read_out_of_the_source(tmp_path):
    package = tmp_path / "house"
    for name, text in {
        "__init__.py": "from house.attic.box import X",
        "cellar.py": '"""Wine. And more."""\nimport torch',
        "door.py": "import house.cellar as c",
        "attic/__init__.py": '"""Boxes."""',
        "attic/box.py": "def f():\n    from house.cellar import wine\nimport house.attic",
        "attic/deep/chest.py": "import numpy, house.door",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    imports = read_imports(package)
    assert imports == {"attic": {"cellar", "door"}, "cellar": set(), "door": {"cellar"}}
    assert base_rooms(imports, package) == ["cellar", "door"]
    assert read_words(package)["attic"] == "Boxes"


def test_no_room_is_drawn_on_another_and_no_arrow_through_one():
    (axes,) = draw_rooms(IMPORTS, read_words(), BASE).axes
    boxes = np.array([patch.get_bbox().bounds for patch in axes.patches])
    boxes = boxes[np.isclose(boxes[:, 2], WIDTH)]
    assert len(boxes) == len(UPPER)
    for x, y, width, height in boxes:
        near = (abs(boxes[:, 0] - x) < width) & (abs(boxes[:, 1] - y) < height)
        assert near.sum() == 1  # itself
    for line in axes.lines:
        for start, end in pairwise(line.get_xydata()):
            points = start + np.linspace(0.02, 0.98, 50)[:, None] * (end - start)
            inside = points[:, None] - boxes[:, :2]
            assert not ((inside > 0) & (inside < (WIDTH, HEIGHT))).all(-1).any()


def test_the_drawing_of_the_rooms_is_always_the_same(tmp_path):
    from stn_action.visualize.chart_figure import save_figure

    files = [
        save_figure(tmp_path / f"{name}.png", draw_rooms(IMPORTS, read_words(), BASE))[1]
        for name in "ab"
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_evidence_chart_shows_the_table():
    page = """
| strong box errors | mean | tight tiles |
| --- | --- | --- |
| weizmann | 81.6 ± 2.0 | 90.0 ± 1.0 |
| jhmdb | 53.7 ± 1.6 | – |

| gain | mean |
"""
    axes = draw_evidence(page).axes[0]
    bars = [
        [bar.get_height() for bar in bars] for bars in axes.containers if hasattr(bars, "patches")
    ]
    assert bars[0] == [81.6, 53.7]
    assert bars[1][0] == 90
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "mean",
        "tight tiles",
        "error bars: ± deviation over 5 seeds, on J-HMDB over 3",
    ]
    assert draw_evidence((DOCS / "results.md").read_text(encoding="utf-8")).axes


def test_look_twice_is_drawn_at_its_cost():
    page = """
| look twice | look mean | zoom |
| --- | --- | --- |
| weizmann, loose_1 | 83.3 ± 1.0 | 85.0 ± 2.0 |
| weizmann, loose_0.25 | 84.3 ± 1.0 | – |
| jhmdb, loose_1 | 43.3 ± 1.0 | 47.0 ± 2.0 |
| weizmann, billion multiplications a clip | 0.5 | 1.1 |
| jhmdb, billion multiplications a clip | 0.6 | 1.2 |
"""
    first, second = draw_look_twice(page).axes
    points = [bars.lines[0].get_xydata()[0] for bars in first.containers]
    assert [y for _, y in points] == pytest.approx([83.3, 85, 84.3, math.nan], nan_ok=True)
    assert points[0][0] == pytest.approx(0.5, rel=0.05)
    assert points[1][0] == pytest.approx(1.1, rel=0.05)
    assert [text.get_text() for text in second.get_xticklabels()] == ["0.6", "1.2"]
    assert draw_look_twice((DOCS / "results.md").read_text(encoding="utf-8")).axes


def test_drawings_are_small():
    for name in ("evidence.png", "look_twice.png", "rooms.png", "rooms.svg"):
        assert (DOCS / name).stat().st_size < 60_000
