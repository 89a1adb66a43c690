"""Boxes from one format to another, checked against the videos."""

from dataclasses import replace

import pytest
import torch

from stn_action.build.video_sets import videos_of
from stn_action.data.video_table import Video
from stn_action.errors import InputError
from stn_action.jobs.convert_people import match_videos, read_people, write_people
from stn_action.person.store.people_file import PeopleFile
from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople
from tests.person.scene import SIZE, crossing, standing, write_scene
from tools.convert_people import main


def annotated(name: str = "walk/one", length: int = 20) -> VideoPeople:
    frames = torch.arange(0, length, 2)
    tubes = tuple(Tube(frames, way[frames], torch.ones(len(frames))) for way in crossing(length))
    return VideoPeople(name, tubes, (120, 240), length, 30.0, None, ("walk", "walk"))


def assert_same_boxes(one: VideoPeople, other: VideoPeople) -> None:
    assert len(one.tubes) == len(other.tubes)
    for a, b in zip(one.tubes, other.tubes, strict=True):
        assert torch.equal(a.frame_indices, b.frame_indices)
        assert (a.boxes - b.boxes).abs().max() < 1e-4


@pytest.mark.parametrize(("kind", "name"), [("csv", "a.csv"), ("mot", "a"), ("coco", "a.json")])
def test_boxes_go_to_another_format_and_back(tmp_path, kind, name):
    PeopleFile.create(tmp_path / "a.sqlite", "hand").add(annotated())
    there = ["--from", "sqlite", "--to", kind, "--out", str(tmp_path / name)]
    assert main([str(tmp_path / "a.sqlite"), *there]) == 0
    back = ["--from", kind, "--out", str(tmp_path / "b.sqlite")]
    assert main([str(tmp_path / name), *back]) == 0
    found = PeopleFile(tmp_path / "b.sqlite").find("one")
    assert found is not None
    assert_same_boxes(found, annotated())


def test_ava_takes_size_and_rate_from_the_videos_or_the_command(tmp_path):
    path = write_scene(tmp_path / "videos/film.mp4", standing(90))
    csv = tmp_path / "ava.csv"
    csv.write_text("film,0902,0.5,0.25,0.6,0.75,12,0\nfilm,0903,0.5,0.25,0.6,0.75,12,0\n")
    with pytest.raises(InputError, match=r"film: AVA's csv has neither size nor frame rate"):
        list(read_people(csv, "ava"))
    settings = {"start_seconds": 901.0}
    from_videos = read_people(csv, "ava", videos=videos_of(str(path.parent)), ava=settings)
    given = read_people(csv, "ava", fps=30.0, ava={**settings, "size_hw": (120, 240)})
    for people in (next(from_videos), next(given)):
        assert people.tubes[0].frame_indices.tolist() == [30, 60]
        assert people.tubes[0].boxes[0].tolist() == pytest.approx([120, 30, 144, 90])
        assert people.labels == ("12",)


def test_detections_without_identity_are_tracked(tmp_path):
    lines = []
    for way in crossing(20):
        for frame, (x0, y0, _, _) in enumerate(way.tolist(), start=1):
            lines.append(f"{frame},-1,{x0 + 1},{y0 + 1},{SIZE[0]},{SIZE[1]},0.9,-1,-1,-1")
    path = tmp_path / "walk/det/det.txt"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(lines))
    with pytest.raises(
        InputError, match=r"det.txt: tracking detections needs the frame rate; .* with --fps"
    ):
        next(read_people(path, "mot_det"))
    with pytest.raises(InputError, match="--tracker must be one of bytetrack, botsort"):
        next(read_people(path, "mot_det", fps=30.0, tracker="none"))
    people = next(read_people(path, "mot_det", fps=30.0, tracker="sort"))
    assert {len(tube) for tube in people.tubes} == {20}
    people = next(read_people(path, "mot_det", fps=30.0))
    assert people.name == "walk"
    assert len(people.tubes) == 2
    assert {len(tube) for tube in people.tubes} == {20}


def test_only_boxes_of_the_given_videos_are_kept_under_their_names(tmp_path):
    path = write_scene(tmp_path / "one.mp4", standing(20))
    videos = [Video("data/walk/one", path, 0, "")]
    (found,) = match_videos([annotated(), annotated("run/two")], videos, "boxes.csv")
    assert (found.name, found.num_frames, found.size_hw) == ("data/walk/one", 20, (120, 240))
    with pytest.raises(InputError, match=r"boxes.csv: none of its 1 videos is among the 1 given"):
        list(match_videos([annotated("run/two")], videos, "boxes.csv"))


def test_boxes_beyond_the_end_of_their_video_are_refused(tmp_path):
    path = write_scene(tmp_path / "one.mp4", standing(12))
    with pytest.raises(InputError, match=r"reach to frame 18, but .*one.mp4 has 12 frames"):
        list(match_videos([annotated()], [Video("one", path, 0, "")], "x"))


def test_a_video_that_is_odd_is_left_without_boxes_and_named(tmp_path, capsys):
    for name, length in {"good": 20, "short": 12}.items():
        write_scene(tmp_path / f"videos/{name}.mp4", standing(length))
    (tmp_path / "videos/text.mp4").write_text("no video")
    boxes = PeopleFile.create(tmp_path / "boxes.sqlite", "hand")
    boxes.add_all(annotated(name) for name in ("good", "short", "text"))
    out = ["--out", str(tmp_path / "out.sqlite"), "--videos", str(tmp_path / "videos")]
    assert main([str(boxes.path), "--from", "sqlite", *out]) == 0
    text = capsys.readouterr().out
    assert f"{tmp_path / 'out.sqlite'}: 3 videos written" in text
    assert f"left without boxes: short: {boxes.path}: short: its boxes reach to frame 18" in text
    assert f"left without boxes: text: {tmp_path / 'videos/text.mp4'}: no backend can" in text
    assert PeopleFile(tmp_path / "out.sqlite").longest_spans(["good", "short", "text"]) == [
        19,
        0,
        0,
    ]


def test_boxes_of_a_slice_are_checked_against_the_slice(tmp_path):
    path = write_scene(tmp_path / "one.mp4", standing(60))
    video = Video("one", path, 0, "", start_seconds=0.5, end_seconds=1.5)
    (people,) = match_videos([annotated()], [video], "x")
    assert people.num_frames == 30
    with pytest.raises(InputError, match=r"reach to frame 18, but .*one.mp4 has 15 frames"):
        list(match_videos([annotated()], [replace(video, end_seconds=1.0)], "x"))


def test_nothing_is_begun_where_the_source_is_wrong(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("video,person,frame,x0,y0,x1,y1\none,0,0,9,9,3,3\n")
    out = tmp_path / "a.sqlite"
    assert main([str(tmp_path / "a.csv"), "--from", "csv", "--out", str(out)]) == 2
    assert "a.csv, line 2" in capsys.readouterr().err
    assert not out.exists()
    with pytest.raises(InputError, match="nothing: it holds no video"):
        write_people(out, "sqlite", [], made_by="nothing")


@pytest.mark.parametrize(
    ("kind", "name", "number", "size"),
    [
        ("ucf101_24", "ucf101_24/pyannot.pkl", 3194, (240, 320)),
        ("jhmdb", "jhmdb/groundtruths_jhmdb.zip", 268, (240, 320)),
    ],
)
def test_official_annotations_become_a_people_file(shared, tmp_path, kind, name, number, size):
    out = tmp_path / "people.sqlite"
    source = shared / "data/annotations" / name
    assert main([str(source), "--from", kind, "--out", str(out)]) == 0
    people = PeopleFile(out)
    assert len(people) == number
    first = people.find(people.names()[0])
    assert first is not None
    assert first.size_hw == size
    assert first.labels[0] == first.name.split("/")[0]


@pytest.mark.parametrize("wrong", [["--size", "3,4"], ["--fps", "0"], ["--from", "xml"]])
def test_wrong_arguments_are_refused(tmp_path, wrong):
    with pytest.raises(SystemExit, match="2"):
        main(["x.csv", "--from", "csv", "--out", str(tmp_path / "x"), *wrong])
