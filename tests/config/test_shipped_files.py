"""Shipped configurations, found by name."""

import pytest

from stn_action.config.schema import load_config
from stn_action.config.shipped_files import FOLDERS, config_file, shipped_names
from stn_action.errors import InputError


@pytest.mark.parametrize("name", ["ucf101_st", "ucf101_st.yaml", "configs/ucf101_st.yaml"])
def test_a_configuration_is_found_by_name_from_any_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config_file(name) == FOLDERS[0] / "ucf101_st.yaml"
    assert load_config(name).data.name == "ucf101"


def test_a_file_of_the_user_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = "data: {name: kth, root: data}\nmodel: {backbone: small3d, focus: null}"
    (tmp_path / "ucf101_st.yaml").write_text(settings)
    assert load_config("ucf101_st.yaml").data.name == "kth"
    assert load_config("ucf101_st").data.name == "ucf101"


def test_near_names_are_listed_and_other_paths_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"ucf_st: no such .* similar names: .*ucf101_st"):
        load_config("ucf_st")
    for name in ("../ucf101_st", "/ucf101_st", "ucf101_st.json", "zzz"):
        with pytest.raises(InputError, match=r"no such configuration file$"):
            load_config(name)
    assert config_file("paper/mnist_cnn") == FOLDERS[0] / "paper/mnist_cnn.yaml"
    assert {"ucf101_st", "paper/mnist_cnn"} <= set(shipped_names())
