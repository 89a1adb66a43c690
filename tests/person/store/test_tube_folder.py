import pytest
import torch

from stn_action.errors import InputError
from stn_action.person.store.tube_folder import TubeFolder, read_tube_csv, write_tube_csv
from stn_action.person.tube import Tube

HEADER = "frame,x0,y0,x1,y1"
LINE = f"{HEADER}\n0,10,20,30,60\n"


def written(tmp_path, text: str):
    path = tmp_path / "person.csv"
    path.write_text(text)
    return path


def test_a_written_tube_reads_back_bit_for_bit(tmp_path):
    tube = Tube(torch.tensor([0, 2, 7]), torch.rand(3, 4).sort(dim=1).values * 99, torch.rand(3))
    path = tmp_path / "deep" / "a.csv"
    write_tube_csv(path, tube)
    read = read_tube_csv(path)
    assert torch.equal(read.frame_indices, tube.frame_indices)
    assert torch.equal(read.boxes, tube.boxes)
    assert torch.equal(read.scores, tube.scores)
    assert [file.name for file in path.parent.iterdir()] == ["a.csv"]


def test_columns_are_found_by_name_and_others_passed_over(tmp_path):
    text = "\ufeffscore, x1, y1, x0, y0, who, frame\r\n0.5, 30, 60, 10, 20, anna, 4\r\n\r\n"
    tube = read_tube_csv(written(tmp_path, text))
    assert tube.frame_indices.tolist() == [4]
    assert tube.boxes.tolist() == [[10, 20, 30, 60]]
    assert tube.scores.tolist() == [0.5]


def test_a_missing_score_is_one(tmp_path):
    assert read_tube_csv(written(tmp_path, LINE)).scores.tolist() == [1]


def test_a_box_partly_outside_is_clipped_when_the_size_is_known(tmp_path):
    path = written(tmp_path, f"{HEADER}\n0,-200,20,30,200\n")
    assert read_tube_csv(path, (100, 200)).boxes.tolist() == [[0, 20, 30, 100]]
    assert read_tube_csv(path).boxes.tolist() == [[-200, 20, 30, 200]]


def test_a_box_far_larger_than_the_image_is_of_another_one(tmp_path):
    path = written(tmp_path, f"{LINE}3,10,20,30,201\n")
    message = (
        r"the box \(10, 20, 30, 201\) of frame 3 is far larger than the image, which is 200 wide "
        r"and 100 high \(1 such boxes\); are these boxes of another video, or in another resolution"
    )
    with pytest.raises(InputError, match=message):
        read_tube_csv(path, (100, 200))


def test_a_box_entirely_outside_is_refused_when_the_size_is_known(tmp_path):
    path = written(tmp_path, f"{LINE}3,210,20,230,60\n4,220,20,230,60\n")
    message = (
        r"person.csv: the box \(210, 20, 230, 60\) of frame 3 is entirely outside the image, "
        r"which is 200 wide and 100 high \(2 such boxes\)"
    )
    with pytest.raises(InputError, match=message):
        read_tube_csv(path, (100, 200))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"the column frame, x0, y0, x1, y1 is missing; the first line must be {HEADER}"),
        ("frame,x0,y0,x1\n0,1,2,3\n", "the column y1 is missing"),
        ("0,10,20,30,60\n", "the column frame, x0, y0, x1, y1 is missing.*got '0,10,20,30,60'"),
        (f"{HEADER}\n", "no box in it; omit the file"),
        (f"{HEADER}\n0,nan,2,3,4\n", "line 2: '0,nan,2,3,4' holds NaN or infinity"),
        (f"{LINE}1,0,2,inf,4\n", "line 3: '1,0,2,inf,4' holds NaN or infinity"),
        (f"{HEADER}\n0,one,2,3,4\n", "line 2: '0,one,2,3,4' are not numbers"),
        (f"{HEADER}\n0,1,2,3\n", "line 2: '0,1,2,3' are not numbers"),
        (f"{HEADER}\n0,30,20,10,60\n", r"line 2: x0 < x1 and y0 < y1 must hold, got \(30, 20, 10"),
        (f"{HEADER}\n0,10,20,30,20\n", "x0 < x1 and y0 < y1 must hold"),
        (f"{HEADER}\n-1,10,20,30,60\n", "frame must be an integer from 0, got -1"),
        (f"{HEADER}\n1e7,10,20,30,60\n", "frame must be an integer from 0 below 10000000, got"),
        (f"{HEADER}\n0,10,20,1e30,60\n", "line 2: corners must be in pixels, got '0,10,20,1e30"),
        (f"{HEADER}\n0.5,10,20,30,60\n", "frame must be an integer from 0, got 0.5"),
        (f"{LINE}5,1,2,3,4\n5,1,2,3,4\n", "frames must increase from line to line, but 5 does not"),
    ],
)
def test_a_malformed_file_is_refused_with_its_name(tmp_path, text, message):
    with pytest.raises(InputError, match=f"(?s)person.csv.*{message}"):
        read_tube_csv(written(tmp_path, text))


def test_a_file_that_is_no_text_or_absent_is_refused(tmp_path):
    path = tmp_path / "person.csv"
    with pytest.raises(InputError, match=r"person.csv: no such file of boxes"):
        read_tube_csv(path)
    path.write_bytes(b"\xff\xfe\x00\x9c")
    with pytest.raises(InputError, match=r"cannot be read: it is in UTF-16; save it as UTF-8"):
        read_tube_csv(path)


def folder_of(tmp_path, *names: str) -> TubeFolder:
    for name in names:
        path = tmp_path / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(LINE)
    return TubeFolder(tmp_path)


@pytest.mark.parametrize(
    ("stored", "video"),
    [
        ("v_Archery_g01_c01", "Archery/v_Archery_g01_c01"),
        ("Archery/v_Archery_g01_c01", "v_Archery_g01_c01.avi"),
        ("Archery/v_Archery_g01_c01", "Archery/v_Archery_g01_c01.avi"),
        ("boxes/Archery/v_Archery_g01_c01", "Archery/v_Archery_g01_c01"),
        ("clip.v1", "clip.v1"),
        ("clip.v1", "clip.v1.mp4"),
    ],
)
def test_boxes_are_found_by_the_name_of_the_video(tmp_path, stored, video):
    folder = folder_of(tmp_path, stored, "other")
    assert folder.path_of(video) == tmp_path / f"{stored}.csv"
    assert len(folder) == 2
    found = folder.find(video)
    assert found is not None
    assert found.tubes[0].boxes.tolist() == [[10, 20, 30, 60]]


def test_boxes_of_another_class_are_never_taken(tmp_path):
    folder = folder_of(tmp_path, "kick/001", "train/wave/001")
    assert folder.path_of("wave/002") is None
    assert folder.find("wave/002") is None
    assert folder.path_of("test/wave/001") is None
    assert folder.path_of("train/wave/001") == tmp_path / "train/wave/001.csv"
    assert folder.path_of("wave/001") == tmp_path / "train/wave/001.csv"


def test_the_longest_agreement_wins(tmp_path):
    folder = folder_of(tmp_path, "001", "wave/001", "train/wave/001")
    assert folder.path_of("train/wave/001") == tmp_path / "train/wave/001.csv"
    assert folder.path_of("test/wave/001") == tmp_path / "wave/001.csv"
    assert folder.path_of("test/kick/001") == tmp_path / "001.csv"


def test_boxes_that_fit_equally_well_are_refused(tmp_path):
    folder = folder_of(tmp_path, "wave/001", "kick/001")
    with pytest.raises(InputError, match=r"boxes of 001 may be those called kick/001 or wave/001;"):
        folder.path_of("001.mp4")


def test_all_boxes_are_checked_together(tmp_path):
    folder = folder_of(tmp_path, "001", "wave/002")
    assert folder.longest_spans(["wave/001", "wave/002", "wave/003"]) == [1, 1, None]
    with pytest.raises(InputError, match="fit the video wave/001 and the video kick/001"):
        folder.longest_spans(["wave/001", "kick/001"])
    (tmp_path / "wave/002.csv").write_text(f"{HEADER}\n0,nan,2,3,4\n")
    with pytest.raises(InputError, match=r"002.csv, line 2: .* holds NaN"):
        folder.longest_spans(["wave/001", "wave/002"])


def test_a_folder_without_boxes_is_refused(tmp_path):
    with pytest.raises(InputError, match="nowhere: this folder of person boxes does not exist"):
        TubeFolder(tmp_path / "nowhere")
    with pytest.raises(InputError, match="there is no CSV file below it; expected one"):
        TubeFolder(tmp_path)
