"""Which word of a command line is a file, and which a setting."""

from pathlib import Path

import pytest

from stn_action.config.command_line import (
    files_and_settings,
    is_setting,
    one_file_and_settings,
    split_checkpoints,
)
from stn_action.errors import InputError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    for name in ("a=b.mp4", "exp lr=1.yaml", "eval.num_clips=1", "plain.mp4"):
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)


def test_what_exists_is_a_file_even_with_an_equals_sign():
    words = ["a=b.mp4", "optim.lr=0.1", "exp lr=1.yaml", "plain.mp4", "eval.num_clips=1"]
    assert files_and_settings(words) == (
        ["a=b.mp4", "exp lr=1.yaml", "plain.mp4", "eval.num_clips=1"],
        ["optim.lr=0.1"],
    )


def test_a_key_of_a_section_is_a_setting_even_if_it_is_misspelled():
    for word in ("optim.lr=1", "optim.lrr=1", "data={}", " train.out =x", "data.split=1"):
        assert is_setting(word)
    for word in ("a=b", "lr=1", "optimizer.lr=1", "optim.lr", "test", "x/optim.lr=1"):
        assert not is_setting(word)


def test_what_neither_exists_nor_is_a_setting_is_one_message():
    with pytest.raises(InputError, match=r"^gone=1\.mp4: there is no such file, and 'gone' is no"):
        files_and_settings(["gone=1.mp4"])
    with pytest.raises(InputError, match=r"'lr' is no setting .* did you mean optim\.lr\?"):
        files_and_settings(["plain.mp4", "lr=0.1"])
    with pytest.raises(InputError, match=r"'optm\.lr' is no setting .* did you mean optim\.lr\?"):
        files_and_settings(["optm.lr=0.1"])
    with pytest.raises(InputError, match="there is no such file"):
        files_and_settings(["=" + "x" * 100_000])


def test_a_word_without_an_equals_sign_is_a_name_for_the_tool():
    assert files_and_settings(["test", "gone.mp4", "x" * 5000])[0][:2] == ["test", "gone.mp4"]


def test_a_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert files_and_settings(["~/a.yaml", "./~b"])[0] == ["/home/me/a.yaml", "./~b"]
    Path("~").mkdir()
    assert files_and_settings(["~"])[0] == ["~"]
    with pytest.raises(InputError, match="~no such user: expected a path"):
        files_and_settings(["~no such user"])


def test_one_file_may_be_anywhere_among_the_settings():
    words = ["optim.lr=1", "exp lr=1.yaml", "data.fold=2"]
    assert one_file_and_settings(words, "CONFIG") == (
        "exp lr=1.yaml", ["optim.lr=1", "data.fold=2"],
    )  # fmt: skip
    with pytest.raises(InputError, match=r"expected one CONFIG, got a\.yaml, optim\.lr, 0\.1"):
        one_file_and_settings(["a.yaml", "optim.lr", "0.1"], "CONFIG")
    with pytest.raises(InputError, match="expected one CONFIG, got settings alone"):
        one_file_and_settings(["optim.lr=1"], "CONFIG")


def test_checkpoints_end_where_files_of_settings_and_settings_are():
    assert split_checkpoints(["a.pt", "run=2", "b.pt", "c.yaml", "data.fold=1"]) == (
        ["a.pt", "run=2", "b.pt"],
        ["c.yaml", "data.fold=1"],
    )
