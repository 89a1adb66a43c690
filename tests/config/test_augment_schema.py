"""The `data.augment` section: a mapping, or a list of steps that stands for one."""

from pathlib import Path

import pytest

from stn_action.build.augment_settings import absent_steps, augment_of
from stn_action.config.augment_schema import AugmentConfig
from stn_action.config.schema import Config, config_from_dict, load_config, to_dict, to_yaml
from stn_action.data.augment import Augment
from stn_action.data.photometric import AugMix, Blur, ColorJitter, RandAugment, RandomErasing
from stn_action.data.view_draws import MultiScaleCrop, RandomResizedCrop
from stn_action.errors import InputError

MINIMAL = ["data.name=sample", "data.root=data/sample", "model.backbone=small3d"]
CONFIGS = Path(__file__).parents[2] / "configs"
STEPS = """
data:
  augment:
    - random_resized_crop: {scale: [0.5, 1.0], ratio: [0.75, 1.333]}
    - random_erasing: {p: 0.25}
    - color_jitter: {brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, p: 0.8}
    - rand_augment: {num_ops: 2, magnitude: 9}
    - aug_mix: {severity: 4}
    - grayscale: 0.2
    - blur: {p: 0.5, sigma: [0.1, 2.0]}
"""


def loaded(*overrides: str) -> Config:
    return load_config(None, [*MINIMAL, *overrides])


def error_of(augment: str) -> str:
    with pytest.raises(InputError, match=r"data\.augment") as caught:
        loaded(f"data.augment={augment}")
    return str(caught.value)


def test_a_list_of_steps_is_the_mapping_of_these_and_no_others(tmp_path):
    path = tmp_path / "steps.yaml"
    path.write_text(STEPS)
    config = load_config(path, MINIMAL)
    order = ("random_erasing", "color_jitter", "rand_augment", "aug_mix", "grayscale", "blur")
    assert augment_of(config) == Augment(
        scale=(1.0, 1.0),
        random_resized_crop=RandomResizedCrop((0.5, 1.0), (0.75, 1.333)),
        hflip=0.0,
        color_jitter=ColorJitter(0.4, 0.4, 0.4, hue=0.1, p=0.8),
        rand_augment=RandAugment(2, 9),
        aug_mix=AugMix(4),
        grayscale=0.2,
        blur=Blur(0.5, (0.1, 2.0)),
        random_erasing=RandomErasing(0.25),
        order=order,
    )
    path.write_text(to_yaml(config))
    assert load_config(path) == config


def test_a_list_replaces_the_steps_of_a_base_and_settings_change_single_ones(tmp_path):
    (tmp_path / "base.yaml").write_text(STEPS)
    path = tmp_path / "own.yaml"
    path.write_text("base: base.yaml\ndata: {augment: [color_jitter: {hue: 0.2}, hflip: 0.3]}")
    config = load_config(path, [*MINIMAL, "data.augment.color_jitter.p=0.5"])
    expected = AugmentConfig.model_validate(
        {"scale": (1, 1), "hflip": 0.3, "color_jitter": {"hue": 0.2, "p": 0.5}}
        | {"order": ("color_jitter",)}
    )
    assert config.data.augment == expected


def test_the_mapping_from_before_there_were_steps_is_kept_as_it_was():
    tree = to_dict(loaded())
    tree["data"]["augment"] = {"hflip": 0.5, "scale": [0.8, 1.0], "color_jitter": 0.2}
    config = config_from_dict(tree, "last.pt")
    assert augment_of(config) == Augment(color_jitter=ColorJitter(0.2, 0.2, 0.2))
    kept = to_dict(config)["data"]["augment"]
    absent = absent_steps(config)
    before = {key: one for key, one in kept.items() if f"data.augment.{key}" not in absent}
    assert before == {"hflip": 0.5, "scale": [0.8, 1.0], "color_jitter": 0.2}
    assert augment_of(loaded("data.augment.color_jitter=0")) == Augment()


def test_a_crop_of_tsn_is_in_the_place_of_the_scale():
    config = loaded("data.augment={multi_scale_crop: {scales: [1, 0.5], num_fixed_crops: 5}}")
    assert augment_of(config).multi_scale_crop == MultiScaleCrop((1.0, 0.5), 1, 5)


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        ("[{hflop: 0.5}]", "data.augment.hflop: unknown key; did you mean data.augment.hflip?"),
        ("[{blur: {sigmas: 1}}]", "unknown key; did you mean data.augment.blur.sigma?"),
        ("[hflip, blur]", "expected a list of steps, each a name with its settings"),
        ("[{hflip: 0.5, blur: {}}]", "expected a list of steps, each a name with its settings"),
        ("[{hflip: 0.5}, {hflip: 0.1}]", "expected each step once, but hflip is there twice"),
        ("[{scale: [1, 1]}, {multi_scale_crop: {}}]", "at most, got scale and multi_scale_crop"),
        ("[{order: [blur]}]", "expected steps in their order, without a step `order`"),
        ("{random_resized_crop: {}, multi_scale_crop: {}}", "got both"),
        ("[{blur: {sigma: [2, 1]}}]", "data.augment.blur.sigma: expected [smallest, largest]"),
        ("[{color_jitter: 1.5}]", "data.augment.color_jitter.brightness: expected a number less"),
        ("[{rand_augment: {magnitude: 31}}]", "expected a number less than or equal to 30"),
        ("{multi_scale_crop: {num_fixed_crops: 7}}", "num_fixed_crops: expected 5 or 13, got 7"),
        ("{order: [blurr]}", "(did you mean blur?)"),
    ],
)
def test_a_mistake_has_one_message(augment, message):
    assert message in error_of(augment)


def test_digits_have_distortions_in_place_of_steps():
    with pytest.raises(
        InputError, match=r"data\.augment\.blur: expected null with data\.name mnist"
    ):
        load_config(CONFIGS / "paper/mnist_cnn.yaml", ["data.augment={blur: {}}"])


def test_previews_tell_what_is_done():
    assert loaded().data.augment.describe() == (
        "80 % to 100 % of the crop's shorter side cut out at random, 50 % are mirrored"
    )
    steps = "[{multi_scale_crop: {scales: [1, 0.5]}}, {grayscale: 0.2}, {rand_augment: {}}]"
    assert loaded(f"data.augment={steps}").data.augment.describe() == (
        "sides of 100 %, 50 % of the crop's shorter side cut out at random, never mirrored, "
        "rand_augment (num_ops 2, magnitude 9), 20 % are gray"
    )
