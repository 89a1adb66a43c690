"""The check of an installation: what is missing or broken is told from what works."""

import subprocess
import sys
from pathlib import Path

import pytest

from stn_action.errors import InputError
from stn_action.runs.doctor import Finding, examine, found
from tools.doctor import main

ROOT = Path(__file__).parents[2]
ABSENT = ("transformers", "timm", "onnx", "requests", "trackers", "decord", "accelerate", "h5py")
"""As if they were not installed."""


@pytest.fixture
def findings(monkeypatch, tmp_path) -> dict[str, Finding]:
    for name in ABSENT:
        monkeypatch.setitem(sys.modules, name, None)
    return {finding.name: finding for finding in examine(tmp_path)}


def test_what_is_missing_is_told_with_the_line_that_installs_it(findings):
    states = {name: finding.state for name, finding in findings.items()}
    assert {name for name, state in states.items() if state == "missing"} == {
        "extra video", "extra train", "extra people", "extra hf", "extra hub", "extra paper",
        "extra download", "extra export", "reader decord", "tracker",
    }  # fmt: skip
    assert {name for name, state in states.items() if state == "ok"} == {
        "python", "packages", "GPU", "writing a clip", "reader pyav", "reader opencv", "detectors",
        "a step of training",
    }  # fmt: skip
    assert str(findings["reader decord"]) == (
        "missing reader decord: decoding: decord is not installed: pip install 'stn_action[video]'"
    )
    assert "12 frames, " in findings["reader opencv"].detail
    assert "two heads on " in findings["a step of training"].detail


def test_what_raises_is_broken_with_its_reason():
    def check():
        raise InputError("expected 1, got 2")

    assert str(found("x", check)) == "broken  x: expected 1, got 2"
    assert found("x", lambda: str(1 // 0)).detail.startswith("ZeroDivisionError: ")
    assert str(found("x", lambda: "2 of 2")) == "ok      x: 2 of 2"


def test_a_folder_that_takes_no_clip_is_broken(tmp_path, monkeypatch, capsys):
    for name in ABSENT:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("tempfile.mkdtemp", lambda prefix: str(tmp_path / "file/below"))
    (tmp_path / "file").write_text("")
    assert main([]) == 1
    out = capsys.readouterr().out
    assert "broken  reader pyav: no clip could be written that it might read" in out
    assert out.splitlines()[-1] == "broken: writing a clip, reader pyav, reader opencv"


@pytest.mark.slow
def test_all_of_a_developers_installation_works():
    done = subprocess.run(
        [sys.executable, "tools/doctor.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert all(line.startswith("ok ") for line in lines[:-1]), done.stdout
    assert lines[-1] == "nothing is broken"
