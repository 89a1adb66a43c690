import torch
from torch.utils import _pytree as pytree

from stn_action.geometry.cells import Cells
from stn_action.models.prediction import Focus, Prediction, join_focus

CELLS = Cells.centered((1, 4, 4), (1, 4, 4))


def focus(num_clips, base):
    return Focus(torch.randn(num_clips, 3, 1, 2, 3), base, "map", CELLS)


def test_joined_clips_keep_their_own_bases():
    parts = [focus(2, torch.randn(2, 3, 2, 3)), focus(1, torch.randn(1, 3, 2, 3))]
    joined = join_focus(parts).of_clips(torch.tensor([2, 0]))
    assert torch.equal(joined.windows, torch.stack([parts[1].windows[0], parts[0].windows[0]]))
    bases = [part.base for part in parts if part.base is not None]
    assert joined.base is not None
    assert torch.equal(joined.base, torch.stack([bases[1][0], bases[0][0]]))


def test_joined_clips_share_the_one_base_there_is():
    base = torch.randn(3, 2, 3)
    joined = join_focus([focus(2, base), focus(1, base)]).of_clips(torch.tensor([2, 0]))
    assert joined.windows.shape == (2, 3, 1, 2, 3)
    assert joined.base is base
    assert join_focus([focus(1, None)]).base is None


def test_a_prediction_is_a_tree_of_tensors():
    cells = Cells.centered((1, 4, 4), (1, 16, 16))
    windows = Focus(torch.rand(2, 3, 1, 2, 3), torch.rand(3, 2, 3), "layer3", cells, 0.2)
    weights = Focus(None, None, "layer4", cells, weights=torch.rand(2, 1, 1, 4, 4))
    prediction = Prediction(torch.rand(2, 5), (windows, weights), None)
    leaves, structure = pytree.tree_flatten(prediction)
    assert [tuple(leaf.shape) for leaf in leaves] == [
        (2, 5), (2, 3, 1, 2, 3), (3, 2, 3), (2, 1, 1, 4, 4),
    ]  # fmt: skip
    doubled = pytree.tree_map(lambda tensor: 2 * tensor, prediction)
    assert torch.equal(doubled.focus[0].theta, 2 * windows.theta)
    assert doubled.focus[0].cells == cells
    assert doubled.focus[1].stage == "layer4"
    assert doubled.branch_logits is None
    again = pytree.tree_unflatten(leaves, structure)
    assert again.focus[0] == windows
