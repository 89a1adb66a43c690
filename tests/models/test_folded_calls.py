"""Calls in evaluation whose batch norms are folded after some clips: the same predictions."""

import pytest
import torch
from torch import Tensor, nn

from stn_action.models.folded_calls import PLAIN_CLIPS, FoldedCalls
from stn_action.models.network import FocusedNetwork
from stn_action.models.plug import plug

CLIP = 3, 2, 16, 18


class Frames(nn.Module):
    """A 2D trunk of frames, with batch norms as after training; `reuse` spoils the folding."""

    def __init__(self, *, reuse: bool = False) -> None:
        super().__init__()
        self.stage = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.last, self.last_norm = nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6)
        self.reuse = reuse
        for norm in (self.norm, self.last_norm):
            for tensor in (norm.weight.data, norm.running_var, norm.bias.data, norm.running_mean):
                assert tensor is not None
                tensor.uniform_(0.5, 1.5)

    def forward(self, clip: Tensor) -> Tensor:
        x = self.stage(clip.transpose(1, 2).flatten(0, 1))
        x = self.norm(x) + x if self.reuse else self.norm(x)
        x = self.last_norm(self.last(x.relu())).relu()
        return x.mean((2, 3)).unflatten(0, (-1, clip.shape[2])).mean(1)


def network_of(trunk: nn.Module, at: str, **settings) -> FocusedNetwork:
    example = torch.zeros(1, *CLIP)
    return plug(trunk, at=at, heads=2, num_classes=3, example=example, **settings).eval()


def norms_run(network: nn.Module) -> list[nn.Module]:
    """Return a list to which each batch norm is added whenever it runs."""
    ran: list[nn.Module] = []
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.register_forward_hook(lambda module, inputs, output: ran.append(module))
    return ran


@pytest.mark.parametrize("settings", [
    {"glimpse": "pooled"}, {"glimpse": "tail"}, {"readout": "foreground"},
    {"glimpse": "zoom", "look_size": 12, "glimpse_size": 8},
])  # fmt: skip
@torch.no_grad()
def test_the_same_predictions_without_batch_norms_after_some_clips(settings):
    torch.manual_seed(0)
    network = network_of(Frames(), "norm", **settings)
    clips = torch.rand(PLAIN_CLIPS, *CLIP)
    inputs = {"extents": torch.tensor([-1.0, -1, 1, 1]).expand(PLAIN_CLIPS, 2, 2, 4), "theta": None}
    wanted, ran = network(clips, **inputs), norms_run(network)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    calls = FoldedCalls(network)
    torch.testing.assert_close(calls(clips, **inputs).logits, wanted.logits, rtol=0, atol=0)
    assert ran
    calls(clips, **inputs)  # checks with a clip
    ran.clear()
    found = calls(clips, **inputs)
    assert not ran
    torch.testing.assert_close(found.logits, wanted.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.focus[0].places, wanted.focus[0].places)
    network(clips, **inputs)
    assert ran  # the network itself is as before
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, state[name])


@torch.no_grad()
def test_changed_weights_are_folded_again():
    network = network_of(Frames(), "norm", glimpse="pooled")
    calls, clips = FoldedCalls(network), torch.rand(PLAIN_CLIPS, *CLIP)
    for _ in range(2):
        before = calls(clips).logits
    nn.init.constant_(network.get_submodule("trunk.norm").get_parameter("bias"), 3.0)
    found = calls(clips).logits
    assert not torch.allclose(found, before)
    torch.testing.assert_close(found, network(clips).logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("reuse", "at"), [(True, "norm"), (False, "stage")])
@torch.no_grad()
def test_where_folding_would_change_predictions_nothing_is_folded(reuse, at):
    """The convolution's output is used twice, in the trunk or by the heads."""
    network = network_of(Frames(reuse=reuse), at, glimpse="pooled")
    calls, clips = FoldedCalls(network), torch.rand(PLAIN_CLIPS, *CLIP)
    calls(clips)
    assert torch.equal(calls(clips).logits, network(clips).logits)


@torch.inference_mode()
def test_any_network_can_be_called():
    calls = FoldedCalls(nn.Identity())
    for _ in range(2):
        assert torch.equal(calls(torch.ones(PLAIN_CLIPS, 2)), torch.ones(PLAIN_CLIPS, 2))
