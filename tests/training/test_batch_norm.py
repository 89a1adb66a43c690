"""Synchronized batch norm in one process; two_processes.py has it in several."""

import copy

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from stn_action.errors import InputError
from stn_action.training.batch_norm import SynchronizedBatchNorm, synchronize_batch_norm

MAKERS = {
    "1d": (lambda: nn.BatchNorm1d(3), (5, 3)),
    "2d": (lambda: nn.BatchNorm2d(3, momentum=0.3), (2, 3, 4, 5)),
    "3d": (lambda: nn.BatchNorm3d(3, momentum=None), (2, 3, 2, 4, 5)),
    "plain": (lambda: nn.BatchNorm3d(3, affine=False), (2, 3, 2, 4, 5)),
    "untracked": (lambda: nn.BatchNorm2d(3, track_running_stats=False), (2, 3, 4, 5)),
    "timm": (lambda: BatchNormAct2d(3), (2, 3, 4, 5)),
}


def pair(name, strategy):
    """A batch norm with weights of its own, and the same one synchronized."""
    make, shape = MAKERS[name]
    norm = nn.Sequential(make())
    for parameter in norm.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    synchronized = copy.deepcopy(norm)
    synchronize_batch_norm(synchronized, strategy)
    assert isinstance(synchronized[0], SynchronizedBatchNorm)
    return norm, synchronized, shape


@pytest.mark.parametrize("name", MAKERS)
def test_of_one_process_it_is_batch_norm(name, strategy):
    norm, synchronized, shape = pair(name, strategy)
    for _ in range(2):
        x = torch.randn(shape) * 3 + 100
        ones = [x.clone().requires_grad_(), x.clone().requires_grad_()]
        outputs = [network(one) for network, one in zip((norm, synchronized), ones, strict=True)]
        torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-4, atol=1e-4)
        weights = torch.randn(shape)
        for output in outputs:
            (output * weights).sum().backward()
        torch.testing.assert_close(ones[1].grad, ones[0].grad, rtol=1e-3, atol=1e-3)
        for one, other in zip(synchronized.parameters(), norm.parameters(), strict=True):
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-3)
    assert synchronized.state_dict().keys() == norm.state_dict().keys()
    for one, other in zip(synchronized.buffers(), norm.buffers(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    x = torch.randn(shape)
    torch.testing.assert_close(synchronized.eval()(x), norm.eval()(x))


def test_its_gradient_is_that_of_finite_differences(strategy):
    _, synchronized, _ = pair("2d", strategy)
    x = torch.randn(2, 3, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(synchronized.double(), (x,))


def test_hooks_stay_where_they_were(strategy):
    norm = nn.Sequential(nn.BatchNorm2d(3))
    seen = []
    norm[0].register_forward_hook(lambda *_: seen.append(1))
    synchronize_batch_norm(norm, strategy)
    norm(torch.randn(2, 3, 4, 4))
    assert seen == [1]


def test_one_value_per_channel_is_refused(strategy):
    _, synchronized, _ = pair("1d", strategy)
    with pytest.raises(ValueError, match=r"got a batch of shape \(1, 3\): use larger batches"):
        synchronized(torch.zeros(1, 3))


def test_a_class_that_is_not_known_is_named(strategy):
    class Own(nn.BatchNorm2d):
        pass

    with pytest.raises(InputError, match=r"norm is a Own, which .* train.batch_norm=per_process"):
        synchronize_batch_norm(nn.ModuleDict({"norm": Own(3)}), strategy)
