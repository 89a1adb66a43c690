"""The page of trunks says what the rows of the table say."""

import pytest

from docs.write_backbones import END, PAGE, START, backbone_row, clip_text, stages_text
from stn_action.models.backbones.backbone_table import BACKBONES

LINES = PAGE.read_text(encoding="utf-8").partition(START)[2].partition(END)[0].split("\n")
ROWS = {line.split("`")[1]: line for line in LINES[4:] if line.startswith("| `")}


def test_the_page_has_every_row_in_order():
    assert list(ROWS) == list(BACKBONES)


@pytest.mark.parametrize("name", BACKBONES)
def test_a_row_has_its_clip_stages_and_weights(name):
    spec = BACKBONES[name]
    _, _, _, _, clip, stages, weights, *_ = (cell.strip() for cell in ROWS[name].split("|"))
    assert clip == clip_text(spec)
    assert stages == stages_text(spec)
    assert weights == (", ".join(spec.published) or "none")


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n == "small3d" else [pytest.mark.slow]) for n in BACKBONES],
)
def test_a_row_is_as_it_would_be_written_again(name):
    assert ROWS[name] == backbone_row(BACKBONES[name])
