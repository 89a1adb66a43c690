import urllib.error

import pytest
import torch
from safetensors.torch import load_file

from stn_action.errors import InputError
from stn_action.models.backbones.backbone_table import backbone_spec, build_backbone

LITE0 = "timm/tf_efficientnet_lite0"
WEIGHTS = "models/tf_efficientnet_lite0.imagenet.safetensors"


@pytest.mark.parametrize(("temporal", "width"), [("mean", 320), ("difference", 128)])
def test_an_image_network_runs_on_every_frame(temporal, width):
    backbone = build_backbone(LITE0, temporal=temporal)
    assert backbone.spec.mean == backbone.spec.std == (127.5, 127.5, 127.5)
    with torch.no_grad():
        assert backbone.trunk.eval()(torch.rand(2, 3, 3, 64, 64)).shape == (2, width)


def test_the_real_weights_give_features_that_distinguish_images(shared):
    trunk = build_backbone(LITE0, weights=str(shared / WEIGHTS)).trunk.eval()
    stripes = torch.ones(1, 3, 1, 64, 64)
    stripes[..., ::8, :] = -1
    with torch.no_grad():
        features = trunk(torch.cat([stripes, stripes.transpose(-1, -2), -stripes]))
    assert features.isfinite().all()
    assert features.std() > 0.01
    assert torch.pdist(features).min() > 0.1 * features.norm(dim=1).min()


def test_imagenet_weights_that_cannot_be_downloaded_are_reported(monkeypatch):
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", _refuse)
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_url", _refuse)
    with pytest.raises(InputError, match=r"imagenet: .*tf_efficientnet_lite0 could not be down"):
        build_backbone(LITE0, weights="imagenet")


def _refuse(*args, **kwargs):
    raise urllib.error.URLError("no network")


def test_weights_of_the_complete_model_fit_with_any_classifier(tmp_path, shared):
    state = load_file(shared / WEIGHTS)
    assert any(name.startswith("classifier.") for name in state)
    state["classifier.weight"], state["classifier.bias"] = torch.zeros(5, 1280), torch.zeros(5)
    torch.save(state, tmp_path / "fine_tuned.pt")
    image = build_backbone(LITE0, weights=str(tmp_path / "fine_tuned.pt")).trunk.image
    torch.testing.assert_close(image.conv_stem.weight, state["conv_stem.weight"])
    torch.save({**state, "classifier.gate": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(InputError, match=r"1 of the file's \d+ .* unknown, 'classifier.gate'"):
        build_backbone(LITE0, weights=str(tmp_path / "other.pt"))


def test_weights_of_a_file_draw_no_further_random_numbers(shared):
    torch.manual_seed(3)
    build_backbone(LITE0, temporal="difference")
    expected = torch.rand(3)
    torch.manual_seed(3)
    build_backbone(LITE0, weights=str(shared / WEIGHTS), temporal="difference")
    assert torch.equal(torch.rand(3), expected)


def test_the_row_of_a_model_tells_its_statistics_and_size():
    spec = backbone_spec("timm/resnet18")
    assert spec.mean == pytest.approx((123.675, 116.28, 103.53))
    assert spec.size_hw == (224, 224)
    assert spec.frame_wise
