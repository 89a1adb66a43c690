"""The driver and the tables of the evidence."""

import json
import shlex

import pytest

from benchmarks import evidence, evidence_table
from benchmarks.evidence_table import (
    gain_in_points,
    gain_of_arm,
    headline,
    improvements,
    kept,
    learning_curves,
    read_scores,
    tables_of,
)
from stn_action.config.schema import load_config


def row(label, correct):
    return {
        "label": label, "correct": correct, "parameters": 7, "seconds": 1.5, "area": 0.25,
        "effective_area": None, "shuffled": None,
    }  # fmt: skip


def write(folder, *rows):
    folder.mkdir(parents=True)
    content = {
        "protocol": "a line", "videos": ["a", "b", "c", "d"], "groups": ["1", "1", "2", "2"],
        "rows": list(rows), "clips_per_class": 5.0, "seeds": list(range(len(rows[0]["correct"]))),
    }  # fmt: skip
    (folder / "results.json").write_text(json.dumps(content))


def test_a_gain_counts_by_interval_and_by_the_deviation_of_seeds(tmp_path):
    right, half = [[1, 1, 1, 1]] * 2, [[1, 0, 1, 0]] * 2
    shaky = [[1, 1, 1, 1], [1, 0, 0, 0]]  # 100 and 25 %: deviation 53.0
    write(tmp_path / "one", row("right", right), row("half", half), row("shaky", shaky))
    scores = read_scores(tmp_path / "one")
    gain = gain_of_arm(scores["right"], scores["half"])
    assert gain == (0.5, 0.5, 0.5, 0)
    assert gain.counts
    assert gain_in_points(gain) == "**+50.0 (+50.0 to +50.0)**"
    gain = gain_of_arm(scores["right"], scores["shaky"])
    assert gain.difference == pytest.approx(0.375)
    assert gain.low > 0  # the interval alone would count
    assert gain.deviation == pytest.approx((0.53033**2 / 2) ** 0.5, abs=5e-5)
    assert not gain.counts
    with pytest.raises(ValueError, match="share seeds"):
        gain_of_arm(scores["right"], scores["half"]._replace(seeds=[7, 8]))


def test_probes_of_more_seeds_are_compared_by_those_they_share(tmp_path):
    write(tmp_path / "three", row("right", [[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]]))
    write(tmp_path / "two", row("half", [[1, 0, 1, 0]] * 2))
    right, half = (read_scores(tmp_path / name) for name in ("three", "two"))
    gain = gain_of_arm(right["right"], half["half"])
    assert gain.difference == pytest.approx((1 + 0.75) / 2 - 0.5)


def test_the_tables_show_what_is_finished_alone(tmp_path):
    windows = row(evidence_table.WINDOWS, [[1, 1, 1, 0]] * 2)
    mean = row("mean", [[1, 0, 1, 0]] * 2)
    write(tmp_path / "weizmann/errors_strong", windows, mean)
    write(tmp_path / "weizmann/errors_none", row("mean", [[1, 1, 1, 1]] * 2))
    (tmp_path / "weizmann/errors_mild").mkdir()
    lines = list(headline(tmp_path, ["weizmann", "jhmdb"]))
    assert [line.split(" | ")[0] for line in lines if line.startswith("| weiz")] == [
        "| weizmann"
    ] * 2
    cells = lines[2].strip("|").split(" | ")
    assert cells[1].strip() == "50.0 ± 0.0"
    assert cells[2:7] == ["–"] * 5
    assert [cell.strip() for cell in cells[7:]] == ["75.0 ± 0.0", "100.0 ± 0.0", "–"]
    text = "\n".join(tables_of(tmp_path, "weizmann"))
    assert "+25.0" in text
    assert "-25.0" in text  # against the tight box
    assert "errors_mild" not in text
    assert not list(tables_of(tmp_path, "jhmdb"))


def test_few_clips_and_improvements_have_tables_of_their_own(tmp_path):
    all_right, none = [[1, 1, 1, 1]] * 2, [[0, 0, 0, 0]] * 2
    windows, tiles = row(evidence_table.WINDOWS, all_right), row("tiles", none)
    rivals = [row("mean", none), row("attention", all_right)]
    sets = ["weizmann", "ut_interaction"]
    write(tmp_path / "ut_interaction/errors_strong", windows, *rivals)
    assert not list(learning_curves(tmp_path, sets))  # one point is no curve
    write(tmp_path / "ut_interaction/2_per_class", windows, *rivals)
    lines = list(learning_curves(tmp_path, sets))
    assert len(lines) == 5
    assert lines[2].startswith(
        "| ut_interaction | 5 | 0.0 ± 0.0 | 100.0 ± 0.0 | 100.0 ± 0.0 | +0.0"
    )
    assert lines[2].endswith("**+100.0 (+100.0 to +100.0)** |")

    assert not list(improvements(tmp_path, sets))
    write(tmp_path / "weizmann/improvements", windows, tiles)
    write(tmp_path / "weizmann/improvements_twice_the_steps", windows)
    lines = list(improvements(tmp_path, sets))
    assert lines[2] == "| windows 1e-3 | 100.0 ± 0.0 | – |"
    assert lines[3] == "| tiles | 0.0 ± 0.0 | **-100.0 (-100.0 to -100.0)** |"
    assert lines[4].startswith("| windows 1e-3, twice the steps | 100.0 ± 0.0 | +0.0")
    assert not list(tables_of(tmp_path, "weizmann"))  # not of test clips

    assert not list(kept(tmp_path, sets))
    write(tmp_path / "ut_interaction/kept_errors_strong", row("kept", all_right))
    lines = list(kept(tmp_path, sets))
    assert lines[2].startswith(
        "| ut_interaction | strong | 100.0 ± 0.0 | +0.0 (+0.0 to +0.0) | +0.0"
    )
    assert lines[2].endswith("| – | **+100.0 (+100.0 to +100.0)** |")


def test_every_grid_is_a_configuration_that_loads(capsys):
    evidence.main(["--list", "--people", "weizmann=P", "--weights", "W"])
    commands = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    names = [command[command.index("--out") + 1] for command in commands]
    assert len(set(names)) == len(names)
    for command in commands:
        settings = [word for word in command if word.startswith(("data.", "model.", "train."))]
        config = load_config(command[2], settings)
        assert config.train.cache_features
        assert ("data.people=P" in command) == ("weizmann" in command[2])
        assert config.data.crop.padding == ("black" if "black" in str(command) else "mean")
