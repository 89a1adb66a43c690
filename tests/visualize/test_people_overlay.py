"""People on a frame, and their classes over time."""

import numpy as np
import torch

from stn_action.visualize.legend import HEAD_COLORS
from stn_action.visualize.people_overlay import ShownPerson, class_color, draw_people
from stn_action.visualize.timeline_chart import MOST_TRACKS, TimelineBar, draw_timeline

IMAGE = np.full((60, 80, 3), 90, np.uint8)


def test_box_windows_and_text_are_drawn_where_the_result_is_larger():
    window = torch.tensor([[[40.0, 30], [60, 30], [60, 50], [40, 50]]])
    person = ShownPerson("3 wave 0.9", class_color(4), torch.tensor([20.0, 20, 70, 55]), window)
    view = draw_people(IMAGE, [person], 4.0, (240, 320))
    assert view.shape == (240, 320, 3)
    assert (view[150, 80] == class_color(4)).all()  # the left edge
    assert (view[119:121, 200] > 150).all()  # the upper edge of the window
    assert (view[60, 300] == 90).all()
    assert (IMAGE == 90).all()


def test_a_person_without_a_box_has_its_text_in_the_corner():
    view = draw_people(IMAGE, [ShownPerson("wave 0.9", class_color(1))], 1.0, (60, 80))
    assert (view[0, 0] == class_color(1)).all()
    assert (view[40:] == 90).all()


def test_many_classes_have_colors_of_their_own():
    colors = [class_color(number) for number in range(40)]
    assert len(set(colors)) == 40
    assert tuple(colors[: len(HEAD_COLORS)]) == HEAD_COLORS


def test_a_chart_has_a_line_for_each_track_and_one_entry_a_class():
    bars = [TimelineBar(1, 0, 2, "a_b"), TimelineBar(2, 1, 4, "wave"), TimelineBar(2, 5, 6, "a_b")]
    colors = {"a_b": class_color(0), "wave": class_color(1), "unused": class_color(2)}
    figure = draw_timeline(bars, colors, title="x.mp4", end_seconds=6)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["track 1", "track 2"]
    assert [(bar.get_x(), bar.get_width()) for bar in axes.patches] == [(0, 2), (1, 3), (5, 1)]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a_b", "wave"]


def test_of_many_tracks_the_longest_are_drawn_and_of_none_that_is_said():
    bars = [TimelineBar(track, 0, track, "a") for track in range(1, MOST_TRACKS + 6)]
    figure = draw_timeline(bars, {"a": class_color(0)}, title="x", end_seconds=99)
    assert len(figure.axes[0].patches) == MOST_TRACKS
    assert "80 longest of 85 tracks" in figure.get_suptitle()
    empty = draw_timeline([], {}, title="x", end_seconds=1)
    assert [text.get_text() for text in empty.axes[0].texts] == ["nothing was classified"]
