import tempfile

import pytest
import torch
from hypothesis import given, settings

from stn_action.errors import InputError
from stn_action.person.formats.motchallenge import read_mot, read_mot_detections, write_mot
from stn_action.person.video_people import VideoPeople
from tests.person.formats.made_people import assert_same, tube, videos

GOOD = "1,2,11,21,30,40,1,1,0.9\n2,2,12,21,30,40,1,1,1\n1,1,1,1,5,6,0,7,1\n1,3,1,1,5,6,1,3,1\n"
INI = "[Sequence]\nname=a%b\nimDir=img1\nframeRate=25\nseqLength=2\nimWidth=320\nimHeight=240\n"


def sequence(tmp_path, text: str | bytes = GOOD, ini: str | None = None, kind: str = "gt"):
    path = tmp_path / "MOT-1" / kind / f"{kind}.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    if ini is not None:
        (path.parent.parent / "seqinfo.ini").write_text(ini)
    return path


@given(made=videos())
@settings(max_examples=30, deadline=None)
def test_written_people_read_back(made):
    with tempfile.TemporaryDirectory() as folder:
        write_mot(folder, made)
        assert_same(read_mot(folder), made)


def test_ground_truth_counts_from_one_and_has_other_classes_than_persons(tmp_path):
    (video,) = read_mot(sequence(tmp_path, ini=INI))
    assert (video.name, video.size_hw, video.num_frames, video.fps) == ("MOT-1", (240, 320), 2, 25)
    assert [one.frame_indices.tolist() for one in video.tubes] == [[0], [0, 1]]
    assert video.tubes[0].boxes.tolist() == [[0, 0, 5, 6]]
    assert video.tubes[0].scores.tolist() == [0]
    assert video.tubes[1].boxes.tolist() == [[10, 20, 40, 60], [11, 20, 41, 60]]


def test_results_of_a_tracker_have_ten_cells_and_no_confidence(tmp_path):
    path = tmp_path / "clip.txt"
    path.write_text("\ufeff1, 3, 794.27, 247.59, 71.245, 174.88, -1, -1, -1, -1\r\n")
    (video,) = read_mot(path)
    assert (video.name, video.size_hw, video.num_frames) == ("clip", None, None)
    assert video.tubes[0].scores.tolist() == [1]
    expected = torch.tensor([[793.27, 246.59, 864.515, 421.47]])
    torch.testing.assert_close(video.tubes[0].boxes, expected)


def test_detections_come_frame_by_frame_best_first(tmp_path):
    text = "3,-1,1,1,5,6,0.25\n3,-1,11,1,5,6,0.75,\n1,-1,1,1,5,6,-0.5,-1,-1,-1\n"
    frames = read_mot_detections(sequence(tmp_path, text, kind="det"))
    assert [(frame, len(found.scores)) for frame, found in frames] == [(0, 1), (1, 0), (2, 2)]
    assert frames[2][1].scores.tolist() == [0.75, 0.25]
    assert frames[2][1].boxes.tolist() == [[10, 0, 15, 6], [0, 0, 5, 6]]
    ini = tmp_path / "MOT-1/seqinfo.ini"
    ini.write_text("[Sequence]\nseqLength=5\n")
    assert len(read_mot_detections(tmp_path / "MOT-1/det/det.txt")) == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"gt.txt: the file has no boxes; was it truncated"),
        ("1,2,11,21,30\n", r"line 1: there must be 7 to 10 cells, .*, got 5"),
        (f"{GOOD}2,1,11,2", r"line 5: there must be 7 to 10 cells, .*, got 4"),
        ("1,2,11,21,30,x,1\n", r"line 1: every cell must be a number, got 'x'"),
        ("1,2,nan,21,30,4,1\n", r"line 1: every cell must be finite, got 'nan'"),
        ("0,2,11,21,30,4,1\n", r"line 1: frame must be an integer from 1, got '0'"),
        ("1.5,2,11,21,30,4,1\n", r"line 1: frame must be an integer from 1, got '1.5'"),
        ("3,2,11,21,30,4,1\n", r"frame 3 is beyond the video, whose 2 frames are 1 to 2"),
        ("1,2,11,21,30,-4,1\n", r"line 1: width and height must be above 0, got 30 and -4"),
        ("1,2,1,2,3,4,1\n1,2,1,2,3,4,1\n", r"line 2: person 2 has a second box in frame 0"),
        ("1,-1,1,2,3,4,1\n", r"line 1: the id is -1, .* read it with `read_mot_detections`"),
        ("1,2,1e39,2,3,4,1\n", r"too large or too thin"),
        ("1,2,1e8,2,3e-3,4,1\n", r"too large or too thin"),
        (b"\xff\xfe1\x00,\x00", r"gt.txt: cannot be read: it is in UTF-16; save it as UTF-8"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        list(read_mot(sequence(tmp_path, text, ini=INI)))


@pytest.mark.parametrize(
    ("ini", "message"),
    [
        ("frameRate=25\n", r"seqinfo.ini: a section \[Sequence\] of key=value is expected"),
        ("[Other]\nx=1\n", r"seqinfo.ini: a section \[Sequence\] of key=value is expected"),
        ("[Sequence]\nimWidth=3.5\nimHeight=3\n", r"seqinfo.ini, imWidth: .*, got '3.5'"),
        ("[Sequence]\nframeRate=0\n", r"seqinfo.ini, frameRate: it must be above 0, got 0"),
        ("[Sequence]\nframeRate=1e9\n", r"frameRate must be at most 1000000 frames per second"),
        ("[Sequence]\nseqLength=1000000000\n", r"seqLength must be at most 10000000 frames"),
        ("[Sequence]\nimWidth=99999\nimHeight=3\n", r"imWidth must be at most 65536 pixels"),
        (f"[Sequence]\nseqLength={'9' * 5000}\n", r"seqLength must be finite, got '9+\.\.\."),
    ],
)
def test_a_broken_seqinfo_is_refused(tmp_path, ini, message):
    with pytest.raises(InputError, match=message):
        list(read_mot(sequence(tmp_path, ini=ini)))


def test_detections_that_end_long_before_their_video_are_refused(tmp_path):
    ini = "[Sequence]\nseqLength=9000000\n"
    path = sequence(tmp_path, "3,-1,1,2,3,4,1\n", ini=ini, kind="det")
    message = r"its last detection is in frame 3 of 9000000, the seqLength in seqinfo.ini"
    with pytest.raises(InputError, match=message):
        read_mot_detections(path)


def test_a_missing_file_and_a_folder_without_videos_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"no <video>/gt/gt.txt below it"):
        list(read_mot(tmp_path))
    with pytest.raises(InputError, match=r"nowhere.txt: no such file of boxes"):
        list(read_mot(tmp_path / "nowhere.txt"))
    with pytest.raises(InputError, match=r"cannot be read: it is a folder, expected a reg"):
        read_mot_detections(tmp_path)


def test_a_name_that_leads_out_of_the_folder_is_not_written(tmp_path):
    people = [VideoPeople("../evil", (tube([0], [[0, 0, 1, 1]]),))]
    with pytest.raises(InputError, match=r"'../evil' cannot be a path below"):
        write_mot(tmp_path / "out", people)
    assert list(tmp_path.iterdir()) == []
