"""The confusion matrix's chart."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from stn_action.visualize.confusion import draw_confusion


def cells_of(figure: Figure) -> np.ndarray:
    """(C, C, 4) the colors of the cells."""
    image = figure.axes[0].images[0]
    return image.to_rgba(image.get_array())


def counts_of(figure: Figure) -> dict[tuple[int, int], str]:
    """Row and column of each count that is written."""
    texts = [text for text in figure.axes[0].texts if text.get_position()[1] >= 0]
    return {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text()
            for text in texts}  # fmt: skip


def test_a_cells_shade_is_its_share_of_the_row():
    matrix = torch.tensor([[4, 0, 0], [1, 2, 1], [0, 0, 0]])
    figure = draw_confusion(matrix, ["a", "b", "c"])
    shares = np.asarray(figure.axes[0].images[0].get_array())
    assert shares.tolist() == [[1, 0, 0], [0.25, 0.5, 0.25], [0, 0, 0]]
    cells = cells_of(figure)
    light, dark = cells[0, 1], cells[0, 0]
    assert (cells[2] == light).all()
    brightness = cells[1, :, :3].sum(-1)
    assert dark[:3].sum() < brightness[1] < brightness[0] == brightness[2] < light[:3].sum()


def test_true_classes_are_rows_from_above_and_predicted_ones_columns():
    axes = draw_confusion(torch.tensor([[4, 0], [1, 2]]), ["a", "b"], "2 classes").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    assert axes.transData.transform((0, 0))[1] > axes.transData.transform((0, 1))[1]
    (text,) = axes.figure.texts
    assert text.get_text() == "2 classes\n85.7 % right (6 of 7), mean recall 83.3 %"


def test_totals_and_recalls_stand_beside_rows_and_columns():
    matrix = torch.tensor([[4, 0, 0], [1, 2, 1], [0, 0, 0]])
    axes, bars, _ = draw_confusion(matrix, ["a", "b", "c"]).axes
    columns = {text.get_text(): text.get_position()[0] for text in axes.texts[-4:]}
    assert list(columns) == ["5", "2", "1", "times predicted"]
    assert [columns[total] for total in "521"] == [0, 1, 2]
    rows = [(text.get_text(), text.get_position()[1]) for text in bars.texts[:3]]
    assert rows == [("100 % of 4", 0), ("50 % of 4", 1), ("none", 2)]
    assert [bar.get_width() for bar in bars.patches[3:]] == [1, 0.5, 0]
    for axis in (axes, bars):  # a bar is beside its row
        assert axis.transData.transform((0, 1))[1] == pytest.approx(
            axes.transData.transform((0, 1))[1]
        )


def test_of_nothing_there_is_no_accuracy():
    (text,) = draw_confusion(torch.zeros(2, 2), ["a", "b"]).texts
    assert text.get_text() == "nothing was classified"


def test_counts_are_written_where_there_is_room():
    figure = draw_confusion(torch.tensor([[4, 0], [1, 20]]), ["a", "b"])
    assert counts_of(figure) == {(0, 0): "4", (1, 0): "1", (1, 1): "20"}
    assert [text.get_color() for text in figure.axes[0].texts[:3]] == ["white", "black", "white"]
    assert counts_of(draw_confusion(torch.eye(21), [f"c{k}" for k in range(21)])) == {}


def test_a_hundred_classes_fit_an_image_of_ordinary_size():
    names = [f"ClassWithALongName{index}" for index in range(101)]
    figure = draw_confusion(torch.eye(101), names, title="ucf101 split 1")
    width, height = figure.get_size_inches() * 150
    assert 1500 < width < 2500
    assert 1500 < height < 2500
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == names
    cells = cells_of(figure)
    assert (cells[np.arange(101), np.arange(101)] == cells[0, 0]).all()
    assert (cells[0, 1:] == cells[0, 1]).all()
    axes = figure.axes[0]
    pitch = axes.transData.transform((0, 0))[1] - axes.transData.transform((0, 1))[1]
    assert axes.get_yticklabels()[0].get_window_extent().height < 1.5 * pitch


def test_names_and_titles_of_any_length_stay_inside():
    name = "a name that does not end " * 9
    for names, title in (([name], "t" * 99), (["WWW" * 20, "b"], "words " * 40), (["a"], "")):
        figure = draw_confusion(torch.ones(len(names), len(names)), names, title=title)
        figure.draw_without_rendering()
        axes = figure.axes[0]
        texts = [*axes.get_yticklabels(), *axes.get_xticklabels(), axes.xaxis.label,
                 axes.yaxis.label, *figure.texts, *axes.texts, *figure.axes[1].texts,
                 figure.axes[2].yaxis.label]  # fmt: skip
        width, height = figure.get_size_inches() * figure.dpi
        assert width < 900
        for text in texts:
            box = text.get_window_extent()
            assert box.x0 >= 0
            assert box.y0 >= 0
            assert box.x1 <= width
            assert box.y1 <= height


def test_a_matrix_that_does_not_fit_is_refused():
    with pytest.raises(
        ValueError, match=r"matrix must be \(2, 2\) for 2 class names, got \(2, 3\)"
    ):
        draw_confusion(torch.zeros(2, 3), ["a", "b"])
    for wrong in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="none of them negative"):
            draw_confusion(torch.tensor([[1.0, wrong], [0, 1]]), ["a", "b"])
