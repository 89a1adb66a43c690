import av
import pytest

from stn_action.video.backend_table import open_video
from stn_action.video.container import packet_index
from stn_action.video.packets import FrameIndex
from stn_action.video.pyav import PyAVReader
from stn_action.video.reader import VideoError
from tests.video.clips import CLIPS, Clip, checksum, checksums, number_shown, write_clip


@pytest.mark.parametrize(
    "clip", [clip for clip in CLIPS if len(clip.times) == 60], ids=lambda clip: clip.name
)
def test_seekable_files_decode_only_what_is_near(clip: Clip, clip_folder):
    with PyAVReader(clip_folder / clip.name) as video:
        video.read([59])
        # at most one group of 12, and in open ones the group before, for the length and the frame
        assert (video.num_decoded <= 35) == clip.seekable


def test_neighbouring_reads_go_on_where_the_last_one_stopped(clip_folder):
    with PyAVReader(clip_folder / "h264_raw.h264") as video:
        len(video)
        before = video.num_decoded
        for start in range(0, 60, 6):
            video.read(range(start, start + 6))
        assert video.num_decoded - before <= 60
        video.read([59])
        assert video.num_decoded - before <= 60


def test_a_length_told_by_the_container_costs_no_decoding(clip_folder):
    with PyAVReader(clip_folder / "h264_b.mp4") as video:
        assert len(video) == 60
        assert video.num_decoded <= 5


def test_false_keyframes_are_found_out(clip_folder):
    path = clip_folder / "h264_intra_refresh.mp4"
    assert len(packet_index(path).starts) > 1
    with PyAVReader(path) as video:
        shown = video.read([55, 33, 21])
    assert [number_shown(p.permute(1, 2, 0).numpy()) for p in shown.data] == [55, 33, 21]


@pytest.mark.parametrize("first", [1, 2, 40])
def test_a_frame_that_does_not_decode_is_left_out(first, clip_folder, tmp_path):
    data = bytearray((clip_folder / "h264_b.mp4").read_bytes())
    with av.open(str(clip_folder / "h264_b.mp4")) as container:
        packets = [*container.demux(video=0)][:-1]
    broken = sorted(packets, key=lambda packet: packet.pts)[2]
    data[broken.pos : broken.pos + broken.size] = b"\xff" * broken.size
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    expected = checksums(path)
    assert len(expected) == 59
    with PyAVReader(path) as video:
        video.read([first])
        images = video.read(range(59)).data.permute(0, 2, 3, 1).numpy()
        assert [checksum(image) for image in images] == expected
        assert len(video) == 59


def test_an_index_is_made_only_where_it_can_be_trusted(clip_folder):
    assert isinstance(packet_index(clip_folder / "h264_b.mp4"), FrameIndex)
    assert packet_index(clip_folder / "h264_b.avi") is None


def test_a_raw_stream_has_the_rate_its_frames_tell(shared):
    # FFmpeg reports 25 for this file; UCF101 has 29.97
    path = shared / "data" / "smoke_clips" / "yowov2_v_Basketball_g01_c02.mp4"
    with PyAVReader(path) as video:
        assert video.fps == pytest.approx(30000 / 1001, abs=0.01)
        assert video.read([30]).seconds.item() == pytest.approx(1.001, abs=1e-3)


def test_a_title_that_is_no_unicode_does_no_harm(clip_folder, tmp_path):
    path = tmp_path / "title.mp4"
    with av.open(str(clip_folder / "h264_b.mp4")) as source, av.open(str(path), "w") as target:
        target.metadata["title"] = "TITLE"
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    path.write_bytes(path.read_bytes().replace(b"TITLE", b"T\xeftl\xe9"))
    with PyAVReader(path) as video:
        assert len(video) == 60


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.sample_rate, frame.pts = 8000, 0
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match="holds no video stream"):
        PyAVReader(path)


def test_a_text_file_is_not_played_as_a_terminal(tmp_path):
    (tmp_path / "notes.txt").write_text("this is not a video\n" * 50)
    with pytest.raises(VideoError, match=r"notes.txt: holds no video stream"):
        PyAVReader(tmp_path / "notes.txt")


def test_frames_of_another_size_are_named(tmp_path):
    small = write_clip(tmp_path, Clip("small.h264", size_hw=(48, 64)))
    large = write_clip(tmp_path, Clip("large.h264", size_hw=(64, 96)))
    path = tmp_path / "both.h264"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    with PyAVReader(path) as video:
        assert len(video) == 120
        assert video.read([59]).size_hw == (48, 64)
        with pytest.raises(VideoError, match="frame 60 is 64x96 pixels, the first 48x64"):
            video.read([60])


@pytest.mark.parametrize("backend", ["auto", "pyav", "opencv", "decord"])
def test_a_cover_picture_is_no_video(backend, shared):
    path = shared / "cases" / "cover_picture_as_video" / "audio_cover.mp4"
    with pytest.raises(VideoError, match=r"audio_cover.mp4: holds no video stream$"):
        open_video(path, backend)
