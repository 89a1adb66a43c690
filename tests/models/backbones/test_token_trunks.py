"""Video transformers of Hugging Face as trunks: their features, their grids, heads on them."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from stn_action import plug, token_trunk
from stn_action.errors import InputError
from stn_action.models.map_layout import StageLayout
from stn_action.models.receptive_field import trace_cells
from stn_action.models.stage_maps import stage_map
from stn_action.models.trunk_split import trunk_behind
from tests.token_models import GRIDS, MIDDLE_LAYERS, TOKEN_MODELS, tiny_token_trunk

FAMILIES = list(TOKEN_MODELS)
PAGE = Path(__file__).parents[3] / "docs/backbones.md"


def clips_of(trunk, number=2):
    return torch.rand(number, 3, *trunk.clip_thw)


def library_model(family, suffix, **changes):
    """A model of the library, with weights that are not as small as initialized ones."""
    import transformers

    name = {"videomae": "VideoMAE", "vivit": "Vivit", "timesformer": "Timesformer"}
    name = name.get(family, "VJEPA2")
    config = getattr(transformers, f"{name}Config")(**TOKEN_MODELS[family] | changes)
    model = getattr(transformers, f"{name}{suffix}")(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.3)
    return model


@pytest.mark.parametrize("family", ["videomae", "vivit", "timesformer"])
def test_a_trunk_gives_the_scores_of_the_library_s_model(family):
    model = library_model(family, "ForVideoClassification")
    trunk = token_trunk(model).eval()
    clip = clips_of(trunk)
    with torch.no_grad():
        wanted = model(clip.transpose(1, 2)).logits
        torch.testing.assert_close(trunk(clip), wanted)
    assert wanted.std() > 0.1
    assert trunk.classifier is model.classifier


def test_v_jepa_2_is_its_encoder_whose_tokens_are_averaged():
    model = library_model("vjepa2", "ForVideoClassification")
    trunk = token_trunk(model).eval()
    clip = clips_of(trunk)
    with torch.no_grad():
        tokens = model.vjepa2.get_vision_features(clip.transpose(1, 2))
        torch.testing.assert_close(trunk(clip), tokens.mean(1))
        assert trunk(clip[:, :, :4]).shape == (2, 16)  # clips of another length
    assert {name.partition(".")[0] for name, _ in trunk.named_parameters()} == {"encoder"}


def test_a_model_without_a_classifier_gives_its_features():
    model = library_model("videomae", "Model", use_mean_pooling=False)
    trunk = token_trunk(model).eval()
    clip = clips_of(trunk)
    with torch.no_grad():
        tokens = model(clip.transpose(1, 2)).last_hidden_state
        torch.testing.assert_close(trunk(clip), tokens.mean(1))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_bright_tubelet_is_in_its_cell_and_in_no_other(family):
    trunk, grid = tiny_token_trunk(family), GRIDS[family]
    place = (2, 0, 1)
    frames, height, width = (
        size // cells for size, cells in zip(trunk.clip_thw, grid, strict=True)
    )
    dark = torch.zeros(1, 3, *trunk.clip_thw)
    bright = dark.clone()
    t, y, x = place[0] * frames, place[1] * height, place[2] * width
    bright[:, :, t : t + frames, y : y + height, x : x + width] = 1.0
    at = "encoder.embeddings" if family == "vjepa2" else "embeddings"
    with torch.no_grad():
        before, layout = stage_map(trunk, at, dark)
        change = (stage_map(trunk, at, bright)[0] - before).abs().sum(1)[0]
    assert layout.grid == change.shape == grid
    assert change.nonzero().tolist() == [list(place)]
    cells = trace_cells(trunk, at, trunk.clip_thw, grid, layout=layout)
    assert cells.first_thw[1] + cells.step_thw[1] * place[1] == y + (height - 1) / 2
    assert cells.first_thw[0] + cells.step_thw[0] * place[0] == t + (frames - 1) / 2


@pytest.mark.parametrize("family", FAMILIES)
def test_a_map_goes_back_to_the_tokens_it_came_from(family):
    trunk, at = tiny_token_trunk(family), MIDDLE_LAYERS[family]
    caught = []
    trunk.get_submodule(at).register_forward_hook(lambda *given: caught.append(given[2]))
    clip = clips_of(trunk)
    with torch.no_grad():
        features, layout = stage_map(trunk, at, clip)
    classes = family in ("vivit", "timesformer")
    assert layout == StageLayout(
        grid=GRIDS[family], num_leading=int(classes), time_last=family == "timesformer",
        output=0 if family in ("timesformer", "vjepa2") else None,
    )  # fmt: skip
    torch.testing.assert_close(
        layout.tensor_of(layout.replaced(caught[-1], features)), layout.tensor_of(caught[-1])
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("glimpse", ["tail", "pooled", "in_line"])
def test_heads_learn_in_the_middle_of_each_family(family, glimpse):
    trunk, at = tiny_token_trunk(family), MIDDLE_LAYERS[family]
    clip = clips_of(trunk)
    heads = 1 if glimpse == "in_line" else 2
    model = plug(
        trunk, at=at, heads=heads, num_classes=5, glimpse=glimpse, example=clip[:1], gain=1.0
    )
    assert model.classifier.in_features == 16 * {"in_line": 1}.get(glimpse, 1 + heads)
    nn.init.normal_(model.heads.localization.output.weight, std=0.1)
    prediction = model(clip)
    assert prediction.focus[0].cells.size_thw == GRIDS[family]
    prediction.logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in model.localization_parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_window_of_the_entire_map_changes_nothing(family):
    trunk = tiny_token_trunk(family)
    clip = clips_of(trunk)
    model = plug(
        trunk, at=MIDDLE_LAYERS[family], heads=1, num_classes=5, glimpse="in_line",
        transform="affine", example=clip[:1],
    ).eval()  # fmt: skip
    identity = torch.eye(2, 3).expand(2, 1, 1, 2, 3)
    with torch.no_grad():
        expected = model.classifier(trunk(clip))
        torch.testing.assert_close(model(clip, [identity]).logits, expected)


def test_at_the_last_layer_a_class_token_no_longer_looks_at_the_map():
    for family in ("vivit", "timesformer"):
        trunk = tiny_token_trunk(family)
        at = MIDDLE_LAYERS[family].replace("1", "2")
        example = torch.zeros(1, 3, *trunk.clip_thw)
        with pytest.raises(InputError, match=r"changes nothing.*earlier"):
            plug(trunk, at=at, heads=1, num_classes=5, glimpse="tail", example=example)


@pytest.mark.parametrize("family", ["videomae", "vjepa2"])
def test_stored_maps_without_a_class_token_go_through_the_rest(family):
    trunk, at = tiny_token_trunk(family), MIDDLE_LAYERS[family]
    clip = clips_of(trunk)
    rest = trunk_behind(trunk, at, clip[:1])
    with torch.no_grad():
        maps = stage_map(trunk, at, clip)[0]
        torch.testing.assert_close(rest(maps), trunk(clip))
    model = plug(trunk, at=at, heads=2, num_classes=5, glimpse="tail", example=clip[:1]).eval()
    stored = model.behind("encoder.layer.0", clip[:1]).eval()
    with torch.no_grad():
        maps = model.stage_features(clip, "encoder.layer.0")
        found, wanted = stored(maps), model(clip)
    torch.testing.assert_close(found.logits, wanted.logits)
    assert found.focus[0].cells == wanted.focus[0].cells


def test_a_class_token_cannot_be_stored():
    for family in ("vivit", "timesformer"):
        trunk = tiny_token_trunk(family)
        with pytest.raises(InputError, match="returns more than its map"):
            trunk_behind(trunk, MIDDLE_LAYERS[family], torch.zeros(1, 3, *trunk.clip_thw))


@pytest.mark.parametrize("family", FAMILIES)
def test_clips_of_another_size_are_refused(family):
    trunk = tiny_token_trunk(family)
    T, H, W = trunk.clip_thw
    for size in ((T, H, W + 16), (T, W, H + 8), (T - 1, H, W)):
        with pytest.raises(InputError, match=f"{H}x{W} alone.*got {size[0]} frames of {size[1]}x"):
            trunk(torch.zeros(1, 3, *size))
    model = plug(
        trunk, at=MIDDLE_LAYERS[family], heads=1, num_classes=5, glimpse="pooled",
        example=torch.zeros(1, 3, T, H, W),
    )  # fmt: skip
    with pytest.raises(InputError, match=f"size {H}x{W} alone"):
        model(torch.zeros(1, 3, T, H, W + 16))


def test_other_models_are_refused():
    with pytest.raises(InputError, match=r"types videomae, vivit.*; got Linear\. Other networks"):
        token_trunk(nn.Linear(2, 2))
    with pytest.raises(InputError, match=r"VideoMAEModel of transformers.*token_trunk"):
        plug(library_model("videomae", "Model"), at="encoder.layer.1", num_classes=5)


def test_the_example_of_the_page_runs():
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(block, names)
    assert names["model"](torch.rand(2, 3, 8, 64, 64)).logits.shape == (2, 101)
