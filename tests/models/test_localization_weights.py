"""Pretrained layers of localization networks."""

import pytest
import torch

from stn_action.build.model import build_network
from stn_action.config.schema import load_config
from stn_action.errors import InputError
from stn_action.geometry.transforms import build_transform
from stn_action.models.backbones.backbone_table import build_backbone
from stn_action.models.heads import FocusHeads
from stn_action.models.localization_weights import load_localization

CONFIG = "configs/paper/mnist_st_cnn.yaml"


def grid_localization(**settings):
    family = build_transform("attention", 2)
    return FocusHeads(3, family, motion=False, **settings).localization


def test_layers_of_a_classifier_are_taken_and_the_last_one_stays_at_zero(tmp_path):
    trunk = build_backbone("digits/loc_28").trunk
    torch.save(
        {"network": {f"trunk.{k}": v for k, v in trunk.state_dict().items()}}, tmp_path / "a.pt"
    )
    config = load_config(CONFIG, [f"model.focus.localization_weights={tmp_path / 'a.pt'}"])
    localization = build_network(config, 10).heads.localization
    taken = localization.state_dict()
    assert torch.equal(taken["layers.1.weight"], trunk.state_dict()["layers.1.weight"])
    assert torch.equal(taken["layers.7.bias"], trunk.state_dict()["layers.7.bias"])
    assert not taken["layers.9.weight"].any()
    assert trunk.state_dict()["layers.9.weight"].any()
    plain = build_network(load_config(CONFIG), 10).heads.localization.state_dict()
    assert not torch.equal(plain["layers.1.weight"], taken["layers.1.weight"])


def test_an_equalized_network_takes_those_of_another(tmp_path):
    one, other = grid_localization(), grid_localization()
    one.output.weight.data.fill_(1)
    torch.save(one.state_dict(), tmp_path / "a.pt")
    load_localization(other, tmp_path / "a.pt")
    for name, value in other.state_dict().items():
        if name.startswith("output."):
            assert not value.any()
        else:
            assert torch.equal(value, one.state_dict()[name])


def test_files_that_do_not_fit_are_named(tmp_path):
    with pytest.raises(InputError, match=r"localization_weights: no file .*a.pt"):
        load_localization(grid_localization(), tmp_path / "a.pt")
    state = grid_localization().state_dict()
    torch.save({"reduction.weight": torch.zeros(1)}, tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"reduction.weight \(32, 3, 1, 1\), got reduction.weight"):
        load_localization(grid_localization(), tmp_path / "a.pt")
    doubled = {f"{part}.{k}": v for part in "ab" for k, v in state.items()}
    torch.save(doubled, tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"is there twice: a.reduction.weight, b.reduction.weight"):
        load_localization(grid_localization(), tmp_path / "a.pt")
    config = load_config(
        "configs/weizmann_st.yaml",
        ["model.weights=none", "model.focus.readout=mean", "model.focus.localization_weights=a.pt"],
    )
    with pytest.raises(InputError, match="there are no windows whose localization network"):
        build_network(config, 10)
