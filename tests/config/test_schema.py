"""Configuration: files, bases, overrides, and the message for each mistake."""

import json
import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from stn_action.config.fingerprint import flatten
from stn_action.config.renamed_keys import RENAMED
from stn_action.config.schema import Config, config_from_dict, load_config, to_dict, to_yaml
from stn_action.config.types import split_interval
from stn_action.errors import InputError

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("**/*.yaml"))
MINIMAL = ["data.name=sample", "data.root=data/sample", "model.backbone=small3d"]
FULL = """
data: {name: ucf101, root: data/ucf101, fold: 2, crop: {size: [96, 128]}}
model:
  backbone: torchvision/r2plus1d_18
  weights: kinetics400
  focus: {at: layer3, heads: 2, gain: 100}
optim: {name: adamw, lr: 3e-4}
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def error_of(*overrides: str) -> str:
    with pytest.raises(InputError, match=r".") as caught:
        load_config(None, [*MINIMAL, *overrides])
    return str(caught.value)


def test_a_file_sets_what_it_names_and_leaves_the_defaults(tmp_path):
    config = load_config(write(tmp_path / "a.yaml", FULL))
    assert config.data.crop.size == (96, 128)
    assert config.data.crop.looseness == 0.25
    assert config.data.fold == 2
    assert config.model.focus is not None
    assert config.model.focus.gain == 100.0
    assert config.optim.relative_lr == 1e-3


def test_the_yaml_of_a_configuration_is_read_back_as_the_same(tmp_path):
    config = load_config(write(tmp_path / "a.yaml", FULL), ["optim.relative_lr=1e-5"])
    again = load_config(write(tmp_path / "b.yaml", to_yaml(config)))
    assert again == config
    assert again.optim.relative_lr == 1e-5


def test_a_checkpoint_can_hold_a_configuration_as_json():
    config = load_config(None, [*MINIMAL, "train.output_dir=runs/a"])
    again = config_from_dict(json.loads(json.dumps(to_dict(config))), "last.pt", ["train.seed=3"])
    assert again.train.seed == 3
    assert again.train.output_dir == Path("runs/a")
    assert again.data == config.data


@pytest.mark.parametrize("text", ["1e-4", "1.0e-4", "0.0001", "'1e-4'"])
def test_a_number_is_read_by_its_declared_type_not_by_yaml(text, tmp_path):
    assert load_config(None, [*MINIMAL, f"optim.lr={text}"]).optim.lr == 1e-4
    path = write(tmp_path / "a.yaml", FULL.replace("3e-4", text))
    assert load_config(path).optim.lr == 1e-4


def test_one_number_is_a_square_clip():
    assert load_config(None, [*MINIMAL, "data.crop.size=64"]).data.crop.size == (64, 64)


def test_later_overrides_win_and_null_removes_a_section(tmp_path):
    path = write(tmp_path / "a.yaml", FULL)
    overrides = ["train.epochs=2", "train.epochs=5", "model.focus=null", "data.fold=all"]
    config = load_config(path, overrides)
    assert config.train.epochs == 5
    assert config.model.focus is None
    assert config.data.fold == "all"


def test_an_override_can_open_a_section_that_was_null():
    config = load_config(None, [*MINIMAL, "model.focus.at=block3", "model.focus.heads=0"])
    assert config.model.focus is not None
    assert config.model.focus.at == "block3"


def test_a_section_may_be_given_by_name_and_changed():
    strong = load_config(None, [*MINIMAL, "data.crop.box_error=strong"]).data.crop.box_error
    assert strong is not None
    assert strong.model_dump() == {"looseness": (0.0, 1.5), "shift": 0.5, "cut": 0.2, "seed": 0}
    settings = ["data.crop.box_error=strong", "data.crop.box_error.seed=3"]
    changed = load_config(None, [*MINIMAL, *settings]).data.crop.box_error
    assert changed == strong.model_copy(update={"seed": 3})
    named = [*MINIMAL, *settings, "data.crop.box_error=mild"]
    mild = load_config(None, named).data.crop.box_error
    assert mild is not None
    assert mild.model_dump() == {"looseness": (-0.1, 0.15), "shift": 0.1, "cut": 0.5, "seed": 0}
    assert load_config(None, [*named, "data.crop.box_error=none"]).data.crop.box_error is None


def test_a_name_in_a_file_may_be_changed_by_an_override(tmp_path):
    path = write(tmp_path / "a.yaml", FULL.replace("crop: {", "crop: {box_error: mild, "))
    errors = load_config(path, ["data.crop.box_error.cut=0"]).data.crop.box_error
    assert errors is not None
    assert (errors.looseness, errors.shift, errors.cut) == ((-0.1, 0.15), 0.1, 0)
    assert load_config(write(tmp_path / "b.yaml", to_yaml(load_config(path)))) == load_config(path)
    none = write(tmp_path / "c.yaml", FULL.replace("crop: {", "crop: {box_error: none, "))
    assert load_config(none).data.crop.box_error is None


def test_weights_none_means_no_weights():
    assert load_config(None, [*MINIMAL, "model.weights=none"]).model.weights is None


def test_a_file_is_laid_over_its_bases_relative_to_itself(tmp_path):
    (tmp_path / "base").mkdir()
    write(tmp_path / "base" / "root.yaml", FULL)
    write(tmp_path / "base" / "fast.yaml", "base: root.yaml\ntrain: {epochs: 3, seed: 7}")
    path = write(tmp_path / "a.yaml", "base: base/fast.yaml\ntrain: {epochs: 4}")
    config = load_config(path)
    assert (config.train.epochs, config.train.seed, config.data.fold) == (4, 7, 2)


def test_a_circle_of_bases_is_refused(tmp_path):
    write(tmp_path / "a.yaml", "base: b.yaml")
    write(tmp_path / "b.yaml", "base: a.yaml")
    with pytest.raises(InputError, match=r"a\.yaml: `base:` leads back.*b\.yaml -> .*a\.yaml"):
        load_config(tmp_path / "a.yaml")


def test_a_missing_base_names_who_asked_for_it(tmp_path):
    path = write(tmp_path / "a.yaml", "base: gone.yaml")
    with pytest.raises(InputError, match=r"gone\.yaml \(the `base:` of .*a\.yaml\): no such"):
        load_config(path)


def test_a_base_that_is_no_path_is_refused(tmp_path):
    path = write(tmp_path / "a.yaml", "base: [b.yaml]")
    with pytest.raises(InputError, match=r"a\.yaml: base: expected the path of one YAML file"):
        load_config(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: {name: [", r"a\.yaml: not valid YAML: .*line 1"),
        ("- data\n- model", r"a\.yaml: expected a mapping of sections.* got list"),
        ("", r"a\.yaml: expected a mapping of sections.* got NoneType"),
        ("optim: {lr: 1}\noptim: {lr: 2}", r"a\.yaml: .*'optim' is given twice \(line 2"),
        ("optim: !!python/object:os.system {}", r"a\.yaml: not valid YAML"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(text, message, tmp_path):
    with pytest.raises(InputError, match=message):
        load_config(write(tmp_path / "a.yaml", text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.yaml: no such configuration file"):
        load_config(tmp_path / "nothing.yaml")


def test_a_folder_or_a_binary_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"is a folder, expected a configuration.*stn-action init"):
        load_config(tmp_path)
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00data")
    with pytest.raises(InputError, match="cannot be read"):
        load_config(tmp_path / "a.yaml")


def test_an_unknown_key_in_a_file_names_the_file_and_the_nearest_name(tmp_path):
    path = write(tmp_path / "a.yaml", FULL.replace("heads", "haeds"))
    with pytest.raises(
        InputError, match=r"a\.yaml: model\.focus\.haeds: unknown key; did you mean "
    ) as caught:
        load_config(path)
    assert "did you mean model.focus.heads?" in str(caught.value)
    assert "valid names here: at, output, heads, " in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.crop.size=4096"], "eval.num_clips x eval.num_crops: 30 clips of .* take 90 GiB"),
        (["train.batch_size=65536"], "train.batch_size: 65536 clips of .*num_frames 16 and data"),
        (["eval.batch_size=9999", "data.crop.size=[999, 1]"], None),
    ],
)
def test_batches_that_fit_into_no_memory_are_refused(overrides, message):
    if message is None:
        assert load_config(None, [*MINIMAL, *overrides])
    else:
        assert re.search(f"^configuration: {message}", error_of(*overrides))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.lrr=1", "optim.lrr: unknown key; did you mean optim.lr? valid names here: name,"),
        ("train.lr=1", "train.lr: unknown key; did you mean optim.lr?"),
        ("optm.lr=1", "optm: unknown key; did you mean optim?"),
        ("base=a.yaml", "base: unknown key;"),
        ("train.epochs=ten", "train.epochs: expected an integer, got 'ten'"),
        ("train.epochs=2.5", "train.epochs: expected an integer, got 2.5"),
        ("train.epochs=true", "train.epochs: expected an integer, got True"),
        ("train.epochs.x=1", "train.epochs: expected an integer, got {'x': '1'}"),
        ("train.epochs=0", "train.epochs: expected a number greater than or equal to 1, got 0"),
        ("optim.lr=fast", "optim.lr: expected a number, got 'fast'"),
        ("optim.lr=-1", "optim.lr: expected a number greater than 0, got -1"),
        ("optim.lr=.nan", "optim.lr: expected a finite number, got nan"),
        ("optim.name=adam", "expected 'sgd' or 'adamw' (did you mean adamw?), got 'adam'"),
        ("data.official=1", "data.official: expected a boolean, got 1"),
        ("data.fold=some", "data.fold: expected an integer or 'all', got 'some'"),
        ("data.root=", "data.root: expected a path, which is neither empty nor"),
        (
            "model.focus.at=",
            "model.focus.at: expected text of at least one character or a list, got ''",
        ),
        ("data.crop.size=100000", "or equal to 4096 (pixels; no video network takes clips that"),
        ("data.clip.num_frames=10000", "4096 (all frames of a clip are in memory), got 10000"),
        ("data.num_workers=100000", "512 (each is a process of hundreds of megabytes), got 100000"),
        ("data.crop.looseness=1e3", "less than or equal to 5 (the person would be less than"),
        ("model.focus.heads=1000", "256 (each is a network of its own), got 1000"),
        ("eval.num_clips=100000", "1000 (each view is a clip in memory), got 100000"),
        ("train.batch_size=1000000", "65536 (a batch is in memory), got 1000000"),
        ("train.epochs=10000000000", "a number less than or equal to 1000000000, got 10000000000"),
        ("optim.lr=1e300", "optim.lr: expected a number less than or equal to 1000000000, got"),
        ("data.crop.size=[3]", "data.crop.size: expected a number of pixels, or [height, width]"),
        ("data.crop.smooth_window=4", "data.crop.smooth_window: expected an odd number, got 4"),
        ("data.crop.box_error=milt", "data.crop.box_error: expected none, mild, strong or {loosen"),
        ("data.crop.box_error={shif: 1}", "unknown key; did you mean data.crop.box_error.shift?"),
        ("data.crop.box_error.looseness=[1, 0]", "box_error.looseness: expected [smallest, larg"),
        ("data.crop.beyond=scene of mine", "data.crop.beyond: expected 'pad'"),
        ("data.augment.scale=0.5", "data.augment.scale: expected a list of two values, got 0.5"),
        ("data.augment.scale=[1, 0.5]", "data.augment.scale: expected [smallest, largest]"),
        ("data.augment.hflip=true", "data.augment.hflip: expected a probability from 0 to 1 (0.5"),
        ("data.augment.hflip=1.5", "data.augment.hflip: expected a number less than or equal to 1"),
        ("train.save_interval=10", "train.save_interval: expected minutes or steps, as in '10 min"),
        ("train.save_interval=0 minutes", "as in '10 minutes' or '200 steps', got '0 minutes'"),
        ("train.save_interval=2.5 steps", "as in '10 minutes' or '200 steps', got '2.5 steps'"),
        ("train.save_interval=1 hour", "as in '10 minutes' or '200 steps', got '1 hour'"),
        ("data=3", "data: expected a section of `name: value` pairs, got 3"),
        ("model.backbone=r3d_18", "model.backbone: expected one of torchvision/r3d_18, "),
        ("model.focus={at: a, readout: gaze}", "'foreground', 'max' or 'mean', got 'gaze'"),
        (
            "model.focus={at: a, readout: attention, glimpse: tail}",
            "model.focus.readout attention: expected model.focus.glimpse pooled, got tail; only",
        ),
        (
            "model.focus={at: a, readout: mean, glimpse: pooled, diversity_loss: 0.5}",
            "model.focus.diversity_loss is for windows: expected 0 with model.focus.readout mean",
        ),
        ("model.focus={at: a, saliency_share: [0.9, 0.5]}", "saliency_share: expected [smallest,"),
        ("model.focus.heads=2", "model.focus.at: missing, it has no default: Stage of the trunk"),
    ],
)
def test_a_wrong_override_is_reported_with_its_key_and_what_was_expected(override, message):
    assert error_of(override).startswith(f"override {override!r}: ")
    assert message in error_of(override)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("10 minutes", (10, "minute")), ("0.5 minutes", (0.5, "minute")), ("1 step", (1, "step")),
        ("200 steps", (200, "step")),
    ],
)  # fmt: skip
def test_an_interval_is_a_number_of_minutes_or_steps(text, parts):
    config = load_config(None, [*MINIMAL, f"train.save_interval={text}"])
    assert config.train.save_interval == text
    assert split_interval(text) == parts


def test_settings_that_contradict_each_other_are_refused():
    assert "train.cache_features: only frozen features" in error_of("train.cache_features=true")
    assert "train.cache_at: no features are stored" in error_of("train.cache_at=a")
    assert "train.cache_also: no features are stored" in error_of("train.cache_also=[a]")
    stored = "train.cache_features=true", "model.freeze_until=b"
    folder = error_of(*stored, "train.cache_also=[a]", "train.cache_folder=here")
    assert "each stage has a folder of its own" in folder
    assert "expected stages other than b, each once" in error_of(*stored, "train.cache_also=[b]")
    message = error_of("model.focus.at=a", "model.focus.min_scale=0.7")
    assert "model.focus: expected min_scale < start_scale < max_scale, got 0.7, 0.5" in message


def test_settings_of_windows_fit_each_other():
    focus = "model.focus.at=a"
    message = error_of(focus, "model.focus.theta_smoothing=3")
    assert "model.focus: theta_smoothing 3: expected theta_per step" in message
    message = error_of(focus, "model.focus.theta_smoothing=4", "model.focus.theta_per=step")
    assert "model.focus.theta_smoothing: expected an odd number" in message
    for setting in ("localization=heatmap", "start=foreground"):
        message = error_of(focus, f"model.focus.{setting}", "model.focus.transform=affine")
        expected = "expected transform translation, attention or anisotropic, got affine"
        assert f"model.focus: {setting.replace('=', ' ')}: {expected}" in message


def test_copied_stages_are_of_localization_trunk_and_see_the_map_alone():
    copied = ["model.focus.at=a", "model.focus.localization=trunk"]
    assert "localization trunk, localization_stages []: expected stages" in error_of(*copied)
    stages = "model.focus.localization_stages=[b]"
    assert "localization grid, localization_stages ['b']: expected" in error_of(copied[0], stages)
    assert "localization trunk: expected motion false" in error_of(*copied, stages)


ZOOM = (
    "model.focus.at=a", "model.focus.glimpse=zoom", "model.focus.look_size=56",
    "model.focus.glimpse_size=[48, 64]",
)  # fmt: skip


def test_zoom_needs_sizes_pixels_and_a_larger_crop():
    config = load_config(None, [*MINIMAL, *ZOOM])
    assert config.model.focus.look_size == (56, 56)
    assert config.model.focus.glimpse_size == (48, 64)
    assert "glimpse zoom needs both sizes" in error_of(*ZOOM[:3])
    assert "glimpse zoom needs both sizes" in error_of(ZOOM[0], ZOOM[2])
    assert "are of glimpse zoom alone" in error_of(ZOOM[0], "model.focus.window_gradient=map")
    assert "expected heads 1 or more" in error_of(*ZOOM, "model.focus.random_glimpse_loss=1")
    assert "expected a branch_loss above 0" in error_of(
        *ZOOM, "model.focus.window_gradient=map", "model.focus.branch_loss=0"
    )
    assert "model.focus.look_size [56, 56]: expected at most data.crop.size [48, 64]" in error_of(
        *ZOOM, "data.crop.size=[48, 64]"
    )
    assert "eval.zoom_from source: expected clip" in error_of("eval.zoom_from=source")
    assert "glimpse_size [48, 64]: expected at most data.crop.size [56, 60]" in error_of(
        *ZOOM, "data.crop.size=[56, 60]"
    )
    cached = "train.cache_features=true", "model.freeze_until=a"
    assert load_config(None, [*MINIMAL, *ZOOM, *cached]).zooms
    assert "expected clip with train.cache_features" in error_of(
        *ZOOM, *cached, "eval.zoom_from=source"
    )
    assert "model.focus.readout max has no windows" in error_of(*ZOOM, "model.focus.readout=max")


@pytest.mark.parametrize("override", ["optim.lr", "=3", "optim..lr=1", ""])
def test_an_override_without_key_and_value_is_refused(override):
    assert f"override {override!r}: expected key=value" in error_of(override)


def test_an_override_that_is_no_yaml_is_refused():
    assert "override 'optim.lr=[': not valid YAML: " in error_of("optim.lr=[")


def test_every_mistake_is_reported_at_once_with_its_own_source(tmp_path):
    path = write(tmp_path / "a.yaml", "data: {name: ucf101}\ntrain: {epochs: 0}")
    with pytest.raises(InputError, match="missing") as caught:
        load_config(path, ["optim.lrr=1"])
    lines = str(caught.value).splitlines()
    assert [line.removeprefix(str(path)) for line in lines] == [
        ": data.root: missing, it has no default: Folder of the data set, of csv the file, "
        "relative to the working directory.",
        ": model: missing, it has no default: The trunk, its weights and its heads.",
        lines[2],
        ": train.epochs: expected a number greater than or equal to 1, got 0",
    ]
    assert lines[2].startswith("override 'optim.lrr=1': optim.lrr: unknown key")


def test_a_checkpoint_is_named_when_its_settings_are_of_another_version():
    tree = to_dict(load_config(None, MINIMAL))
    tree["optim"]["gone"] = 1
    with pytest.raises(InputError, match=r"runs/a/last\.pt: optim\.gone: unknown key"):
        config_from_dict(tree, "runs/a/last.pt")


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_name_is_answered_with_the_new_one(old):
    assert error_of(f"{old}=1") == f"override '{old}=1': {old} is now {RENAMED[old]}"


def test_the_new_names_of_old_keys_exist_and_the_old_ones_do_not():
    known = flatten(to_dict(load_config(None, MINIMAL)))
    assert {new.partition(",")[0] for new in RENAMED.values()} <= known.keys()
    assert not known.keys() & RENAMED.keys()


def test_an_old_name_in_a_file_or_a_checkpoint_is_answered_too(tmp_path):
    path = write(tmp_path / "a.yaml", FULL.replace("fold: 2", "augment: {mirror: false}"))
    with pytest.raises(
        InputError, match=r"a\.yaml: data\.augment\.mirror is now data\.augment\.hflip, a "
        r"probability \(true is 0\.5, false is 0\)"
    ):  # fmt: skip
        load_config(path)
    tree = to_dict(load_config(None, MINIMAL))
    tree["data"]["split"] = tree["data"].pop("fold")
    with pytest.raises(InputError, match=r"^runs/a/last\.pt: data\.split is now data\.fold$"):
        config_from_dict(tree, "runs/a/last.pt")


def test_every_setting_is_documented():
    config = load_config(None, [*MINIMAL, "model.focus.at=block3"])
    sections: list[tuple[str, BaseModel]] = [("", config)]
    while sections:
        name, section = sections.pop()
        for key, field in type(section).model_fields.items():
            assert field.description, f"{name}{key} has no docstring"
            value = getattr(section, key)
            if isinstance(value, BaseModel):
                sections.append((f"{name}{key}.", value))


def test_editors_get_a_json_schema():
    schema = Config.model_json_schema()
    lr = schema["$defs"]["OptimConfig"]["properties"]["lr"]
    assert lr["type"] == "number"
    assert lr["description"].startswith("Base learning rate")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_shipped_configuration_loads(path):
    if "data" in yaml.safe_load(path.read_text()) or "base" in yaml.safe_load(path.read_text()):
        assert isinstance(load_config(path), Config)


def test_milestones_are_in_order():
    config = load_config(CONFIGS[0], ["optim.milestones=[0.5, 0.75, 0.9]", "optim.schedule=step"])
    assert config.optim.milestones == (0.5, 0.75, 0.9)
    with pytest.raises(InputError, match=r"optim.milestones: .*expected shares in order"):
        load_config(CONFIGS[0], ["optim.milestones=[0.75, 0.5]"])
