from pathlib import Path

import numpy as np
import pytest

from stn_action.video.writer import write_video

decode = pytest.importorskip("benchmarks.decode", reason="decord has no wheel for this machine")
decoded_crops = pytest.importorskip("benchmarks.decoded_crops", reason="as above")
late = pytest.importorskip("benchmarks.late", reason="as above")


def test_the_decode_benchmark_compares_three_sources_at_three_places(capsys, monkeypatch):
    monkeypatch.setattr(decode, "XVID", Path("missing.avi"))
    monkeypatch.setattr(decode, "UNCOUNTED", ())
    monkeypatch.setattr(decode, "FRAMES", 3)
    monkeypatch.setattr(decoded_crops, "SIZES", (32,))
    monkeypatch.setattr(decode, "keep_freed_memory", lambda: None)
    decode.main(["--repeats", "1", "--frames", "40"])
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if "|" in line]
    measured = [row for row in rows if row[1].strip() in ("early", "middle", "late")]
    assert len(measured) == 9
    assert all(float(cell) > 0 for row in measured for cell in row[2:])
    crops = [row for row in rows if row[2].strip() in ("fixed", "moving")]
    assert len(crops) == 2 * 2 * 2  # videos, boxes, clips
    assert all(float(cell) > 0 for row in crops for cell in row[4:])


def test_the_memory_benchmark_opens_videos_in_a_row(capsys, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 48, 3), dtype=np.uint8)
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, images, fps=25)
    decode.main(["--in-worker", "--opens", "8", "--folders", str(tmp_path)])
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines()]
    assert [row[0].strip() for row in rows[2:]] == ["2", "2", "4", "6", "8"]


def test_the_benchmark_of_late_clips_has_a_row_for_each_file(capsys, monkeypatch):
    monkeypatch.setattr(late, "FRAMES", 2)
    monkeypatch.setattr(late, "FILES", dict([*late.FILES.items()][2:3]))
    late.main(["--repeats", "1", "--frames", "40"])
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[1].strip() for row in rows] == ["16", "250"]
    assert all(float(cell) > 0 for row in rows for cell in row[2:])
