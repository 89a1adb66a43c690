"""Training from Python: the same as the tool does, and what comes back."""

import json
from pathlib import Path

import pytest

import stn_action
from stn_action.config.schema import to_dict
from stn_action.errors import InputError
from tests.tiny import tiny_config, tiny_settings, write_config


@pytest.fixture(scope="module")
def result(tiny_data, tmp_path_factory) -> stn_action.TrainResult:
    folder = tmp_path_factory.mktemp("from_python")
    file = write_config(folder / "own.yaml", tiny_settings(tiny_data, "train.epochs=1"))
    overrides = {"train.epochs": 2, "train.output_dir": folder / "run", "train": {"seed": 0}}
    return stn_action.train(file, overrides, quiet=True)


def test_it_is_the_run_of_the_tool(result, tiny_run):
    name = "test_predictions.csv"
    assert (result.folder / name).read_bytes() == (tiny_run.folder / name).read_bytes()
    numbers = json.loads((tiny_run.folder / "test.json").read_text())
    assert result.protocol == numbers["protocol"]
    assert result.metrics == {key: numbers[key] for key in result.metrics}
    assert str(result).splitlines()[-1] == f"written to {result.folder}"
    started = json.loads((result.folder / "run.json").read_text())
    assert started["command"].startswith("stn_action.train('/")


def test_its_checkpoint_predicts(result, tiny_data):
    assert result.checkpoint == result.folder / "last.pt"
    assert result.best is None  # there are no validation videos
    predictor = stn_action.Predictor.load(result.checkpoint)
    assert predictor.predict(tiny_data / "test/left/0.mp4").top(1)


def test_a_run_goes_on_from_nested_settings(result, tiny_data, capsys):
    settings = to_dict(tiny_config(tiny_data))
    given = {"train.output_dir": str(result.folder)}
    again = stn_action.train(settings, given, resume=True)
    assert again.metrics == result.metrics
    assert "written to" in capsys.readouterr().out
    with pytest.raises(InputError, match="holds a run already"):
        stn_action.train(tiny_config(tiny_data), given, quiet=True)


@pytest.mark.slow
def test_all_folds_have_a_checkpoint_each(tiny_data, tmp_path):
    settings = tiny_settings(
        tiny_data / "train", "data.folds=3", "data.people=null", "data.regions=null",
        "train.max_steps=1", "model.focus=null", "eval.num_clips=1",
    )  # fmt: skip
    given = {"data.fold": "all", "train.output_dir": tmp_path / "run"}
    file = write_config(tmp_path / "own.yaml", settings)
    result = stn_action.train(str(file), given, quiet=True)
    assert [path.parent.name for path in result.checkpoints] == ["fold_1", "fold_2", "fold_3"]
    assert "folds pooled" in result.protocol
    with pytest.raises(InputError, match=r"has 3, one for each fold; take one of `checkpoints`"):
        _ = result.checkpoint


@pytest.mark.parametrize(
    ("config", "overrides", "message"),
    [
        ("no_such_file.yml", {}, "no_such_file.yml: no such configuration file"),
        ("sample_st", {"optim.lr": "fast"}, r"override optim.lr=.*: optim.lr: expected a number"),
        ("sample_st", {"optim.lrs": 1}, r"override optim.lrs=1: .*did you mean optim.lr"),
        ("sample_st", {"data.root": "no/such/data"}, "no/such/data"),
        ("sample_st", {"optim..lr": 1}, "expected a dotted key, as in 'optim.lr'"),
        ("sample_st", {3: 1}, "override 3: expected a dotted key"),
        ("sample_st", ["optim.lr=1"], "overrides: expected values by dotted key, .* got list"),
        ({"data": {"name": "sample"}}, {}, "settings: data.root"),
        (7, {}, "config: expected a YAML file, nested settings or a Config, got int"),
    ],
)
def test_a_mistake_is_an_input_error(config, overrides, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        stn_action.train(config, overrides, quiet=True)
    assert list(Path().iterdir()) == []
