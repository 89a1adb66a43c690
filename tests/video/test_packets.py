from stn_action.video.packets import Packet, Start, index_frames, shown_packets


def packet(pts, dts, *, key=False, size=100, discard=False):
    position = None if dts is None else 1000 + dts * 10
    return Packet(pts, dts, position, size, key, discard, corrupt=False)


# I P B B in decoding order, then a second group whose B-frames are shown before its keyframe
OPEN = [
    packet(0, -1, key=True),
    packet(3, 0),
    packet(1, 1),
    packet(2, 2),
    packet(6, 3, key=True),
    packet(4, 4),
    packet(5, 5),
    packet(7, 6),
]


def index_of(packets, containers=("mov", "mp4"), codec="h264", reorders=True):
    return index_frames(packets, containers=set(containers), codec=codec, reorders=reorders)


def test_frames_are_ordered_by_presentation_time():
    index = index_of(OPEN)
    assert index.display_pts == tuple(range(8))
    assert index.starts == (Start(0, 0, 990), Start(6, 6, 1030))
    assert not index.closed_groups


def test_frames_shown_before_a_keyframe_start_at_the_one_before():
    index = index_of(OPEN)
    assert [index.start_before(i).rank for i in range(8)] == [0, 0, 0, 0, 0, 0, 6, 6]


def test_closed_groups_are_told_from_open_ones():
    closed = [packet(0, -1, key=True), packet(2, 0), packet(1, 1), packet(3, 2, key=True)]
    assert index_of(closed).closed_groups


def test_placeholders_and_frames_not_shown_are_not_counted():
    packets = [
        packet(-1, -1, key=True, discard=True),
        packet(0, 0),
        packet(1, 1, size=1, key=True),
        packet(2, 2),
    ]
    assert len(shown_packets(packets)) == 2
    index = index_of(packets)
    assert index.display_pts == (0, 2)
    assert [start.rank for start in index.starts] == [0]


def test_avi_is_trusted_only_without_reordering():
    plain = [packet(i, i, key=i % 3 == 0) for i in range(9)]
    assert index_of(plain, ["avi"], "mpeg4", reorders=False) is not None
    assert index_of(plain, ["avi"], "mpeg4", reorders=True) is None
    assert index_of(plain, ["avi"], "h264", reorders=False) is None
    assert index_of(OPEN, ["avi"], "mpeg4", reorders=False) is None


def test_other_containers_and_codecs_are_read_from_the_start():
    plain = [packet(i, i, key=i == 0) for i in range(9)]
    assert index_of(plain, ["m4v"], "mpeg4", reorders=False) is None
    assert index_of(plain, ["mpegts"]) is None
    assert index_of(plain, ["matroska", "webm"], "vp8") is None


def test_times_that_do_not_order_the_frames_are_not_trusted():
    assert index_of([]) is None
    assert index_of([packet(0, 0, key=True), packet(None, 1)]) is None
    assert index_of([packet(0, 0, key=True), packet(1, 1), packet(1, 2)]) is None


def test_a_stream_cut_inside_a_group_is_not_trusted():
    assert index_of(OPEN[4:]) is None
    assert index_of(OPEN[1:]) is None


def test_a_first_packet_without_a_place_in_the_file_is_not_trusted():
    assert index_of([packet(0, None, key=True), packet(1, 1)]) is None


def test_a_frame_shown_before_the_keyframe_of_an_earlier_group_is_not_trusted():
    late = [packet(9, 7, key=True), packet(10, 8), packet(5, 9)]
    assert index_of([*OPEN[:4], packet(6, 3, key=True), packet(7, 4), *late]) is None
    late[2] = packet(8, 9)
    assert index_of([*OPEN[:4], packet(6, 3, key=True), packet(7, 4), *late]) is not None


def test_a_group_in_decoding_order_is_a_start_only_if_its_keyframe_says_so():
    group = [packet(6, 3, key=True), packet(7, 4), packet(8, 5)]
    assert [start.rank for start in index_of([*OPEN[:4], *group]).starts] == [0]
    assert [start.rank for start in index_of([*OPEN[:4], *group], reorders=False).starts] == [0, 4]
    group[0] = group[0]._replace(refreshes=True)
    index = index_of([*OPEN[:4], *group])
    assert [start.rank for start in index.starts] == [0, 4]
    assert not index.closed_groups
