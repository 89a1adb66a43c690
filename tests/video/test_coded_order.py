"""Times in a container that contradict the order in which the coded frames are shown."""

import av
import pytest

from stn_action.video.backend_table import open_video
from stn_action.video.coded_order import order_check
from stn_action.video.pyav import PyAVReader
from stn_action.video.reader import VideoError
from tests.video.clips import B_FRAMES, CLOSED, OPEN, Clip, checksum, checksums, write_clip

PYRAMID = "keyint=250:scenecut=0:bframes=7:b-adapt=0:b-pyramid=normal:ref=4"
SOURCES = [
    Clip("h264.mp4", options=CLOSED),
    Clip("h264_open.mkv", options=OPEN),
    Clip("pyramid.mp4", options={"x264-params": PYRAMID}),
    Clip("interlaced.mp4", options={"x264-params": PYRAMID + ":tff=1"}, size_hw=(64, 64)),
    Clip("baseline.mp4", options={"profile": "baseline", "g": "12"}),
    Clip("mpeg4.mp4", "mpeg4", B_FRAMES),
    Clip("mpeg4_no_b.mp4", "mpeg4", {"bf": "0"}),
]
by_clip = pytest.mark.parametrize("clip", SOURCES, ids=lambda clip: clip.name)


def packets_of(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        codec, extradata = stream.codec_context.name, stream.codec_context.extradata
        return codec, extradata, [(bytes(packet), packet.pts or 0) for packet in packets]


@by_clip
def test_times_of_intact_files_agree(clip, tmp_path):
    codec, extradata, packets = packets_of(write_clip(tmp_path, clip))
    check = order_check(codec, extradata)
    assert check is not None
    assert all(check.agrees(data, pts) for data, pts in packets)


def test_a_check_may_start_at_any_keyframe(tmp_path):
    codec, extradata, packets = packets_of(write_clip(tmp_path, SOURCES[1]))
    for start in range(0, 60, 12):
        check = order_check(codec, extradata)
        assert check is not None
        assert all(check.agrees(data, pts) for data, pts in packets[start:])


@by_clip
def test_any_two_exchanged_neighbors_are_noticed(clip, tmp_path):
    codec, extradata, packets = packets_of(write_clip(tmp_path, clip))
    for place in range(1, 40, 3):
        (one, one_pts), (other, other_pts) = packets[place : place + 2]
        changed = [*packets]
        changed[place : place + 2] = [(one, other_pts), (other, one_pts)]
        check = order_check(codec, extradata)
        assert check is not None
        assert not all(check.agrees(data, pts) for data, pts in changed)


def test_a_lost_frame_that_others_need_is_noticed(tmp_path):
    codec, extradata, packets = packets_of(write_clip(tmp_path, SOURCES[0]))
    check = order_check(codec, extradata)
    assert check is not None
    assert not all(check.agrees(data, pts) for data, pts in packets[:1] + packets[2:12])


@pytest.mark.parametrize("codec", ["h264", "mpeg4"])
@pytest.mark.parametrize(
    "data", [b"", b"\0", bytes(50), b"\xff" * 50, b"\0\0\1\xb6", b"\0\0\0\4eee"]
)
def test_data_that_makes_no_sense_does_not_agree(codec, data, tmp_path):
    _, extradata, _ = packets_of(write_clip(tmp_path, SOURCES[0]))
    check = order_check(codec, extradata)
    assert check is not None
    assert not check.agrees(data, 0)


@pytest.mark.parametrize("extradata", [None, b"", b"\1", b"\1" * 9, b"\0\0\1\x67", bytes(30)])
def test_without_parameters_there_is_no_check(extradata):
    assert order_check("h264", extradata) is None
    assert order_check("hevc", extradata) is None


@pytest.mark.parametrize("clip", [SOURCES[0], SOURCES[2], SOURCES[5]], ids=lambda clip: clip.name)
def test_exchanged_packets_are_read_as_a_sequential_decode_gives_them(clip, tmp_path):
    source = write_clip(tmp_path, clip)
    path = tmp_path / f"exchanged_{clip.name}"
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        packets = [packet for packet in old.demux(video=0) if packet.size]
        times = [(packet.pts, packet.dts) for packet in packets]
        packets[14], packets[15] = packets[15], packets[14]
        for packet, (pts, dts) in zip(packets, times, strict=True):
            packet.stream, packet.pts, packet.dts = stream, pts, dts
            new.mux(packet)
    expected = checksums(path)
    for indices in ([2, 10, 18, 26], [13, 15], [12], [16, 40], [17], [14, 20]):
        wanted = [index for index in indices if index < len(expected)]
        with open_video(path, num_frames=len(expected)) as video:
            found = [checksum(image) for image in video.read_images(wanted)]
        assert found == [expected[index] for index in wanted]
    pytest.importorskip("decord", reason="decord has no wheel for this machine")
    with pytest.raises(VideoError, match="decord cannot tell the order of its frames"):
        open_video(path, "decord")


def test_an_index_of_an_avi_that_contradicts_its_chunks_is_not_used(tmp_path):
    path = write_clip(tmp_path, Clip("a.avi", "mjpeg", pixels="yuvj420p"))
    data = bytearray(path.read_bytes())
    start = data.index(b"idx1") + 8
    for entry in range(20, 50):  # 4 bytes each: name, flags, offset, size
        place = start + 16 * entry + 8
        following = data[place + 16 : place + 20]
        data[place : place + 4] = following
    path.write_bytes(data)
    expected = checksums(path)
    for indices in ([13, 40], [30], [25, 26, 55]):
        with open_video(path, num_frames=len(expected)) as video:
            found = [checksum(image) for image in video.read_images(indices)]
        assert found == [expected[index] for index in indices]


@by_clip
def test_intact_files_are_still_sought_in(clip, tmp_path):
    with PyAVReader(write_clip(tmp_path, clip)) as video:
        video.read([5, 30, 50])
        video.read([49])
        assert video.numbering == 0
