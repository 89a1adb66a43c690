from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from stn_action.video.writer import write_video

decode = pytest.importorskip("benchmarks.decode", reason="decord has no wheel for this machine")
decoded_crops = pytest.importorskip("benchmarks.decoded_crops", reason="as above")
late = pytest.importorskip("benchmarks.late", reason="as above")
other_decoders = pytest.importorskip("benchmarks.other_decoders", reason="as above")


def test_the_decode_benchmark_compares_three_sources_at_three_places(capsys, monkeypatch):
    monkeypatch.setattr(decode, "XVID", Path("missing.avi"))
    monkeypatch.setattr(decode, "UNCOUNTED", ())
    monkeypatch.setattr(decode, "FRAMES", 3)
    monkeypatch.setattr(decoded_crops, "SIZES", (32,))
    monkeypatch.setattr(decode, "keep_freed_memory", lambda: None)
    decode.main(["--repeats", "1", "--frames", "40"])
    printed = capsys.readouterr().out
    assert "decord2 is not compared: --decord2 is not given" in printed
    rows = [line.split("|")[1:-1] for line in printed.splitlines() if "|" in line]
    measured = [row for row in rows if row[1].strip() in ("early", "middle", "late")]
    assert len(measured) == 9
    assert all(float(cell) > 0 for row in measured for cell in row[2:])
    crops = [row for row in rows if row[2].strip() in ("fixed", "moving")]
    assert len(crops) == 2 * 2 * 2  # videos, boxes, clips
    ratios = [cell.replace("(", "").replace(")", "") for row in crops for cell in row[4:]]
    assert all(float(number) > 0 for cell in ratios for number in cell.split())


def test_other_decoders_are_named_with_their_version_or_the_reason_why_they_are_not_compared():
    decoders, lines = other_decoders.find_decoders()
    for name, library in (("torchcodec, exact", "torchcodec"), ("video_reader", "video-reader-rs")):
        [line] = [line for line in lines if line.startswith(library)]
        assert ("is not compared: " in line) == (name not in decoders)


@pytest.mark.slow
def test_a_library_of_the_same_module_is_measured_in_a_process_of_its_own(
    capsys, monkeypatch, tmp_path
):
    installed = metadata.distribution("decord")
    for name in ("decord", "decord.libs"):
        (tmp_path / name).symlink_to(installed.locate_file(name))
    information = tmp_path / "decord2-7.8.9.dist-info" / "METADATA"
    information.parent.mkdir()
    information.write_text("Metadata-Version: 2.1\nName: decord2\nVersion: 7.8.9\n")
    monkeypatch.setattr(decode, "XVID", Path("missing.avi"))
    monkeypatch.setattr(decode, "FRAMES", 3)
    monkeypatch.setattr(decoded_crops, "SIZES", (32,))
    monkeypatch.setattr(decode, "keep_freed_memory", lambda: None)
    decode.main(["--crops", "--repeats", "1", "--frames", "40", "--decord2", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "decord2 7.8.9" in printed
    rows = [line.split("|")[1:-1] for line in printed.splitlines() if "| fixed |" in line]
    assert len(rows) == 4
    assert all(float(row[-1]) > 0 for row in rows)


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
