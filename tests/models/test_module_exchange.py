import torch
from torch import nn

from stn_action.models.module_exchange import exchange_modules


class Doubled(nn.Module):
    def forward(self, x):
        return 2 * x


def network():
    return nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), nn.Linear(2, 2)))


def double_relus(path, module):
    return Doubled() if isinstance(module, nn.ReLU) else None


def test_modules_are_exchanged_at_any_depth_and_the_original_is_untouched():
    original = network()
    x = torch.randn(3, 2)
    before = original(x)
    copy = exchange_modules(original, double_relus)
    torch.testing.assert_close(copy(x), original[1][1](2 * original[0](x)))
    torch.testing.assert_close(original(x), before)
    assert isinstance(original[1][0], nn.ReLU)


def test_the_copy_shares_parameters_and_has_a_mode_of_its_own():
    original = network().train()
    copy = exchange_modules(original, double_relus).eval()
    assert all(
        one is other for one, other in zip(original.parameters(), copy.parameters(), strict=True)
    )
    assert all(module.training for module in original.modules())
    assert not any(module.training for module in copy.modules())


def test_paths_are_reported_from_the_outside_in():
    paths = []
    exchange_modules(network(), lambda path, module: paths.append(path))
    assert paths == ["", "0", "1", "1.0", "1.1"]


def test_what_is_replaced_is_not_looked_into():
    copy = exchange_modules(network(), lambda path, module: Doubled() if path == "1" else None)
    assert [name for name, _ in copy.named_modules()] == ["", "0", "1"]
