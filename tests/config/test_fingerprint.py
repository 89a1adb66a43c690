"""Fingerprints: which settings, files and folders count, and the differences reported."""

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from stn_action.config.fingerprint import (
    HARMLESS,
    WITH_CONTENT,
    Differences,
    Fingerprint,
    flatten,
    is_within,
)
from stn_action.config.schema import Config
from stn_action.errors import InputError
from tests.tiny import tiny_config


def test_nested_settings_are_named_by_dotted_keys():
    nested = {"a": {"b": 1, "c": {"d": [2]}}, "e": None}
    assert flatten(nested) == {"a.b": 1, "a.c.d": [2], "e": None}


def test_a_key_lies_within_its_section_and_itself():
    assert is_within("data.crop.size", ["eval", "data.crop"])
    assert is_within("data.crop", ["data.crop"])
    assert not is_within("data.crops", ["data.crop"])
    assert not is_within("data", ["data.crop"])


def test_differences_name_the_key_and_both_values():
    was = Fingerprint({"a.b": 1, "a.same": 0, "gone": 2})
    now = Fingerprint({"a.b": 3, "a.same": 0, "new": "y"})
    found = was.compare(now)
    assert found.lines == ("a.b was 1, is 3", "gone was 2, is None", "new was None, is 'y'")
    assert str(found) == "a.b was 1, is 3 (and 2 more)"
    assert found
    assert not was.compare(was)
    assert str(Differences(("a was 1, is 2",))) == "a was 1, is 2"


def test_settings_that_are_newer_than_a_run_had_their_defaults(tmp_path):
    def without(fingerprint: Fingerprint, *keys: str) -> Fingerprint:
        kept = {key: v for key, v in fingerprint.settings.items() if not is_within(key, keys)}
        assert len(kept) < len(fingerprint.settings)
        return replace(fingerprint, settings=kept)

    now = Fingerprint.of(tiny_config(tmp_path))
    newer = ("data.frames_fps", "optim.milestones", "data.augment.scale", "data.augment.blur")
    assert not without(now, *newer).compare(now)
    for setting, line in (
        ("data.frames_fps=12", "data.frames_fps was 25.0, is 12.0"),
        ("data.augment.blur={}", "data.augment.blur.p was None, is 0.5 (and 1 more)"),
    ):
        changed = Fingerprint.of(tiny_config(tmp_path, setting))
        assert str(without(now, *newer).compare(changed)) == line
    assert str(without(now, "data.root").compare(now)).startswith("data.root was None, is '")


def test_where_a_run_writes_and_how_it_loads_makes_no_difference(tmp_path):
    was = Fingerprint.of(tiny_config(tmp_path))
    harmless = "train.output_dir=elsewhere", "data.num_workers=5", "train.cache_folder=cache"
    assert not was.compare(Fingerprint.of(tiny_config(tmp_path, *harmless)))
    other = tiny_config(tmp_path, "optim.lr=1", "train.epochs=7")
    assert str(was.compare(Fingerprint.of(other))) == "optim.lr was 0.003, is 1.0 (and 1 more)"


def test_only_the_keys_that_are_asked_for_count_and_extras_do(tmp_path):
    def made(*settings: str, views: int = 2) -> Fingerprint:
        config = tiny_config(tmp_path, *settings)
        return Fingerprint.of(config, keys=["data.crop"], extra={"views": {"train": views}})

    assert set(made().settings) == {key for key in made().settings if is_within(key, ["data.crop"])}
    assert not made().compare(made("optim.lr=1"))
    assert str(made().compare(made("data.crop.looseness=1"))).startswith("data.crop.looseness was")
    assert made().compare(made(views=3)).lines == ("views.train was 2, is 3",)
    without = Fingerprint.of(tiny_config(tmp_path), keys=["data.crop"], without=["data.crop.size"])
    assert "data.crop.size" not in without.settings


@pytest.mark.parametrize("key", WITH_CONTENT)
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_edited_files_and_folders_are_noticed(tmp_path, key, kind):
    path = file = tmp_path / "named"
    if kind == "folder":
        (path / "inner").mkdir(parents=True)
        file = path / "inner" / "one.csv"
    file.write_text("1,2,3")
    config = tiny_config(tmp_path, f"{key}={path}")
    was = Fingerprint.of(config)
    assert not was.compare(Fingerprint.of(config))
    file.write_text("1,2,4")
    assert was.compare(Fingerprint.of(config)).lines == (
        f"the content of {key} ({path}) has changed",
    )
    file.unlink()
    if kind == "folder":
        (path / "inner").rmdir()
        path.rmdir()
    gone = Fingerprint.of(config)
    assert was.compare(gone).lines == (f"the file or folder of {key} ({path}) is gone",)
    assert gone.compare(was).lines == (f"the file or folder of {key} ({path}) is new",)


def test_an_edited_list_of_videos_is_noticed(tmp_path):
    """A folder of videos has no digest: it is too large to read."""
    file = tmp_path / "videos.csv"
    file.write_text("path,label")
    config = tiny_config(file)
    was = Fingerprint.of(config)
    file.write_text("path,label,group")
    assert was.compare(Fingerprint.of(config)).lines == (
        f"the content of data.root ({file}) has changed",
    )
    assert not Fingerprint.of(tiny_config(tmp_path)).digests


def test_another_path_is_one_difference_even_with_other_content(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    was, now = (
        Fingerprint.of(tiny_config(tmp_path, f"data.people={tmp_path / name}")) for name in "ab"
    )
    assert len(was.compare(now).lines) == 1


def test_a_published_set_of_weights_has_no_digest(tmp_path):
    assert not Fingerprint.of(tiny_config(tmp_path, "model.weights=imagenet")).digests


def test_an_edited_configuration_of_a_model_in_a_folder_is_noticed(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "vivit"}')
    config = tiny_config(tmp_path, f"model.backbone=hf/{tmp_path}")
    was = Fingerprint.of(config)
    (tmp_path / "config.json").write_text('{"model_type": "vivit", "num_attention_heads": 6}')
    (line,) = was.compare(Fingerprint.of(config)).lines
    assert line == f"the content of model.backbone (hf/{tmp_path}) has changed"


def test_a_fingerprint_is_read_back_from_json(tmp_path):
    (tmp_path / "people").write_text("boxes")
    made = Fingerprint.of(tiny_config(tmp_path), extra={"videos": "0f"})
    assert Fingerprint.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    made.save(tmp_path)
    assert Fingerprint.load(tmp_path) == made


@pytest.mark.parametrize("text", ["{", "[]", '{"settings": {}}', '{"settings": 1}', "null"])
def test_a_damaged_file_is_one_message(tmp_path, text):
    with pytest.raises(FileNotFoundError, match="fingerprint"):
        Fingerprint.load(tmp_path)
    (tmp_path / "fingerprint.json").write_text(text)
    with pytest.raises(InputError, match=r"fingerprint\.json: damaged: .*start again in another f"):
        Fingerprint.load(tmp_path)


def test_every_path_in_the_configuration_is_digested_or_known_to_be_harmless():
    paths = set()
    sections: list[tuple[str, type[BaseModel]]] = [("", Config)]
    while sections:
        name, section = sections.pop()
        for key, info in section.model_fields.items():
            for part in (info.annotation, *get_args(info.annotation)):
                if isinstance(part, type) and issubclass(part, BaseModel):
                    sections.append((f"{name}{key}.", part))
                if isinstance(part, type) and issubclass(part, Path):
                    paths.add(f"{name}{key}")
    assert paths - {*WITH_CONTENT, *HARMLESS} == {"data.root"}  # a folder is too large to read
