from benchmarks import train
from tests.tiny import tiny_settings, write_config


def test_the_training_benchmark_compares_two_loops_on_the_same_batches(
    tiny_data, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(train, "keep_freed_memory", lambda: None)
    config = write_config(tmp_path / "tiny.yaml", tiny_settings(tiny_data))
    train.main([str(config), "--batches", "2", "--repeats", "1", "--workers", "0", "--no-start"])
    text = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines()]
    bare, own, *waited = (row for row in rows if row)
    assert bare[0] == "bare"
    assert [bare[2], bare[4]] == ["1.000", "1.000"]
    assert own[0] == "stn_action"
    assert float(own[1]) > 0
    assert float(own[3]) > 0
    assert [row[:2] for row in waited] == [["0", "1"], ["0", "2"]]
    assert all(row[3].endswith("%") for row in waited)
