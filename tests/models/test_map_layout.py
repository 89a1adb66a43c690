import pytest
import torch

from stn_action.errors import InputError
from stn_action.models.map_layout import CHANNELS_FIRST, StageLayout, with_time, without_time


def test_frames_folded_into_the_batch_are_unfolded_and_folded_again():
    folded = torch.arange(2 * 3 * 5 * 4 * 6.0).view(6, 5, 4, 6)  # two clips of three frames
    clips = with_time(folded, 2)
    assert clips.shape == (2, 5, 3, 4, 6)
    torch.testing.assert_close(clips[1, :, 2], folded[5])
    torch.testing.assert_close(without_time(clips, like=folded), folded)
    assert without_time(clips, like=clips) is clips


def numbered(*shape):
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float32).view(shape)


@pytest.mark.parametrize(
    ("layout", "output"),
    [
        (CHANNELS_FIRST, numbered(2, 5, 3, 4, 6)),
        (CHANNELS_FIRST, numbered(2 * 3, 5, 4, 6)),
        (StageLayout(channels_last=True), numbered(2, 3, 4, 6, 5)),
        (StageLayout(channels_last=True), numbered(2 * 3, 4, 6, 5)),
        (StageLayout(grid=(3, 4, 6)), numbered(2, 72, 5)),
        (StageLayout(grid=(3, 4, 6), num_leading=1), numbered(2, 73, 5)),
        (StageLayout(grid=(4, 6), num_leading=2), numbered(2 * 3, 26, 5)),
    ],
)
@pytest.mark.parametrize("output_index", [None, 1])
def test_a_map_is_taken_out_and_put_back(layout, output, output_index):
    fields = {**vars(layout), "output": output_index}
    layout = StageLayout(**fields)
    beside = torch.rand(len(output), 7)
    returned = output if output_index is None else (beside, output, "text")
    features = layout.map_of(returned, 2)
    assert features.shape == (2, 5, 3, 4, 6)
    again = layout.replaced(returned, features)
    assert torch.equal(layout.tensor_of(again), output)
    # three times as many maps: the first of them as before, with what stands beside them
    more = layout.replaced(returned, torch.cat([features, -features, features]))
    assert torch.equal(layout.map_of(more, 6)[2:4], -features)
    k = layout.num_leading
    first, last = layout.tensor_of(more)[: len(output)], layout.tensor_of(more)[-len(output) :]
    assert torch.equal(first, output)
    assert torch.equal(last[:, :k], output[:, :k])
    if output_index is not None:
        assert isinstance(more, tuple)
        assert torch.equal(more[0], beside.repeat(3, 1))
        assert more[2] == "text"


def test_the_grid_beside_tokens_is_used():
    layout = StageLayout(grid=(3, 4, 6), num_leading=1, output=0)
    assert layout.map_of([numbered(2, 73, 5), (2, 9, 4)], 2).shape == (2, 5, 2, 9, 4)
    assert layout.map_of((numbered(2, 9, 5), [2, 2, 2]), 2).shape == (2, 5, 2, 2, 2)
    with pytest.raises(InputError, match=r"8 tokens behind the first 1, expected 72 of a grid \(3"):
        layout.map_of((numbered(2, 9, 5), (2, 2, 3)), 2)


def test_a_list_is_not_changed_in_place():
    pathways = [numbered(2, 1, 1, 2, 2), numbered(2, 1, 4, 2, 2)]
    replaced = StageLayout(output=1).replaced(pathways, torch.zeros(4, 1, 4, 2, 2))
    assert len(pathways[0]) == len(pathways[1]) == 2
    assert [len(one) for one in replaced] == [4, 4]


@pytest.mark.parametrize(
    ("layout", "output", "message"),
    [
        (CHANNELS_FIRST, [torch.zeros(1)], r"returns a list of \(1,\), not a map \(N, C, H, W\)"),
        (CHANNELS_FIRST, torch.zeros(1, 5), r"\(1, 5\), not a map .*: choose an earlier stage"),
        (CHANNELS_FIRST, torch.zeros(1, 8, 5), r"\(1, 8, 5\), not .*tokens whose rows and columns"),
        (StageLayout(grid=(2, 2, 2)), torch.zeros(1, 5, 2, 2), r"not tokens \(N, 8, C\)"),
        (StageLayout(output=2), [torch.zeros(1, 1, 1, 1)], "there is no output 2"),
        (StageLayout(output=0), torch.zeros(1, 1, 1, 1), "there is no output 0"),
        (CHANNELS_FIRST, torch.zeros(3, 5, 2, 2), "a batch of 2: the first axis .*squeeze"),
    ],
)
def test_what_holds_no_such_map_is_reported(layout, output, message):
    with pytest.raises(InputError, match=message):
        layout.map_of(output, 2)
