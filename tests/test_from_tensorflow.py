"""docs/from_tensorflow.md: its code runs, and its statements and numbers on `stn` are true."""

import inspect
import re
from pathlib import Path

import pytest
import torch

from stn_action.geometry.clip_sampling import spatial_transformer
from stn_action.geometry.tensorflow_interface import spatial_transformer_network
from tests.geometry.tensorflow_sampler import read_places, sampled_like_tensorflow

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "from_tensorflow.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
RAMP = torch.arange(8.0).expand(1, 1, 4, 8)
CALLS = [
    ((1, 0, 0, 0, 1, 0), None),
    ((1, 0, 0.25, 0, 1, 0), None),
    ((1, 0, 0.375, 0, 1, 0), None),
    ((0.5, 0, 0, 0, 1, 0), None),
    ((2, 0, 0, 0, 1, 0), None),
    ((-1, 0, 0, 0, 1, 0), None),
    ((1, 0, 0, 0, 1, 0), (4, 4)),
]
"""Theta and `out_dims` of the table's lines."""


def rounded(numbers):
    """To two decimals, without trailing zeros and without a sign of zero."""
    return " ".join(f"{round(float(number), 2) + 0.0:g}" for number in numbers)


def table_of_numbers():
    """The lines of the page's table; if a test fails for them, paste these."""
    lines = []
    for numbers, out_dims in CALLS:
        theta, size = torch.tensor([numbers]).float(), out_dims or (4, 8)
        cells = [
            " ".join(f"{number:g}" for number in numbers),
            f"`{out_dims}`",
            rounded(sampled_like_tensorflow(RAMP, theta.view(1, 2, 3), size)[0, 0, 1]),
            rounded(spatial_transformer_network(RAMP, theta, out_dims)[0, 0, 1]),
            rounded(spatial_transformer(RAMP, theta, out_dims, padding="border")[0, 0, 1]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def names_of(block):
    """What a block of the page defines."""
    names: dict[str, object] = {}
    exec(compile(block, "from_tensorflow.md", "exec"), names)
    return names


def test_the_table_of_numbers_is_generated():
    assert f"|---|---|---|---|---|\n{table_of_numbers()}\n\n" in PAGE


@pytest.mark.parametrize("block", BLOCKS)
def test_the_examples_run_and_give_the_shapes_they_tell(block):
    names = names_of(block)
    told = re.findall(r"^(\w+)(?: = .*)?  # \(([\d, ]+)\)$", block, re.MULTILINE)
    assert told
    for value, shape in told:
        assert list(names[value].shape) == [int(size) for size in shape.split(",")], value


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(((?!http)[^)]+)\)", PAGE))))
def test_every_link_of_the_page_leads_to_a_heading(link):
    file, _, heading = link.partition("#")
    headings = re.findall(r"^## (.*)$", (DOCS / file).read_text(encoding="utf-8"), re.MULTILINE)
    assert heading in [re.sub(r"[^\w -]", "", line).lower().replace(" ", "-") for line in headings]


def test_the_arguments_of_the_page_are_those_of_the_function():
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    for name in inspect.signature(spatial_transformer_network).parameters:
        assert [row for row in rows if f"`{name}" in row.split("|")[2]], name


def test_the_identity_of_stn_stretches_all_but_the_last_column():
    identity = torch.eye(2, 3)[None]
    result = sampled_like_tensorflow(RAMP, identity, (4, 8))
    expected = torch.arange(8, dtype=torch.float64) * 6 / 7
    torch.testing.assert_close(result, expected.expand(1, 1, 4, 8))


def test_stn_returns_zeros_from_the_center_of_the_last_pixel_on():
    maps = 1 + torch.rand(1, 1, 4, 8)
    theta = torch.tensor([[[1.3, 0.4, 0.2], [-0.5, 1.6, -0.1]]])
    size = (9, 11)
    result = sampled_like_tensorflow(maps, theta, size)[0, 0]
    inside = torch.zeros(size, dtype=torch.bool)
    for index, (x, y) in read_places(theta[0], size, (4, 8)):
        inside[index] = 0 <= x < 7 and 0 <= y < 3
    assert 0 < inside.sum() < inside.numel()
    assert (result[inside] >= 1 - 1e-9).all()  # no transition
    assert (result[~inside].abs() < 1e-12).all()


def test_stn_reads_nothing_of_a_side_of_1_and_the_first_column_of_2():
    theta = torch.tensor([[[0.7, 0.1, 0.1], [0.1, 0.6, -0.2]]])
    flat = sampled_like_tensorflow(torch.ones(1, 1, 1, 8), theta, (3, 4))
    assert flat.abs().max() < 1e-12
    narrow = sampled_like_tensorflow(torch.tensor([5.0, 7.0]).expand(1, 1, 6, 2), theta, (3, 4))
    torch.testing.assert_close(narrow, torch.full_like(narrow, 5))


@pytest.mark.parametrize(
    ("in_dims", "out_dims"), [((4, 8), (4, 8)), ((7, 5), (6, 9)), ((3, 9), (2, 5))]
)
def test_a_converted_theta_gives_the_numbers_of_stn_inside_the_map(in_dims, out_dims):
    (block,) = (block for block in BLOCKS if "def theta_from_stn" in block)
    maps, theta = torch.randn(3, 2, *in_dims).double(), torch.randn(3, 6).double()
    theta[0] = torch.tensor([1.0, 0, 0, 0, 1, 0])
    converted = names_of(block)["theta_from_stn"](theta, in_dims, out_dims)
    ours = spatial_transformer_network(maps, converted, out_dims)
    theta = theta.view(3, 2, 3)
    expected = sampled_like_tensorflow(maps, theta, out_dims)
    H, W = in_dims
    inside = torch.zeros(3, *out_dims, dtype=torch.bool)
    for b in range(3):
        for index, (x, y) in read_places(theta[b], out_dims, in_dims):
            inside[(b, *index)] = 0 <= x < W - 1 and 0 <= y < H - 1
    assert inside[0].all()
    assert inside[1:].any()
    inside = inside[:, None].expand_as(ours)
    torch.testing.assert_close(ours[inside], expected[inside], atol=1e-12, rtol=0)
