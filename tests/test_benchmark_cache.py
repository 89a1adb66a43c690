from benchmarks import cache
from tests.tiny import tiny_settings, write_config


def test_the_cache_benchmark_compares_the_ways_of_filling_and_the_trunk_alone(
    tiny_data, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(cache, "keep_freed_memory", lambda: None)
    settings = tiny_settings(tiny_data, "model.freeze_until=stage2", "train.cache_features=true")
    config = write_config(tmp_path / "tiny.yaml", settings)
    cache.main([str(config), "train.cache_views=1", "--videos", "3"])
    text = capsys.readouterr().out
    assert f"3 videos, {3 * 3 * 4} frames" in text
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines()]
    plain, exact, exact_alone, rounded, rounded_alone = (row for row in rows if row)
    assert plain[0] == "plain"
    assert [plain[3], plain[5], plain[6]] == ["1.0", "1.0", ""]
    assert exact[0] == "float32"
    assert exact_alone[0] == "float32, ready"
    assert rounded_alone[0] == "bf16, ready"
    assert exact_alone[6] == rounded_alone[6] == ""
    assert 0 <= float(exact[6]) < 1e-3 < float(rounded[6]) < 0.1
