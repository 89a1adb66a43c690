"""Random views out of the stored ones, of items that an epoch has once or several times."""

import torch

from stn_action.data.global_batches import Redraw
from stn_action.data.stored_views import StoredViews
from stn_action.data.view_arrays import ViewArrays, ViewWriter

VIEWS, FRAMES, MAP_SHAPE = 8, 2, (1, 1, 2, 2)


def views_of(folder) -> StoredViews:
    """Two training videos of eight views, each of the map (10 * video + view); 1 was unreadable."""
    with ViewWriter(folder, "train", (2, VIEWS), MAP_SHAPE, FRAMES) as writer:
        for row in range(2):
            maps = (10 * row + torch.arange(VIEWS)).half()[:, None, None, None, None]
            frames = torch.zeros(VIEWS, FRAMES).long()
            boxes, extents = torch.rand(VIEWS, FRAMES, 4), torch.rand(VIEWS, FRAMES, 2, 4)
            writer.write(row, maps.repeat(1, *MAP_SHAPE), frames, boxes, extents)
    arrays = ViewArrays.open(folder, "train")
    return StoredViews(arrays, [0, 1], torch.tensor([3, 4]), {1: "cut"}, without_tube=0, seed=5)


def test_an_item_that_is_drawn_again_is_another_view_of_the_same_video(tmp_path):
    views = views_of(tmp_path)
    samples = [views[one][0][0] for one in (0, *(Redraw(0, number) for number in range(1, 7)))]
    assert {int(sample.target) for sample in samples} == {3}
    assert all(sample.clip.unique().tolist() == [sample.view] for sample in samples)
    assert len({sample.view for sample in samples}) > 2
    assert views.draw(Redraw(0, 2)) == (0, samples[2].view)


def test_another_one_stands_in_for_an_unreadable_video_that_is_drawn_again(tmp_path):
    (sample,), failures = views_of(tmp_path)[Redraw(1, 1)]
    assert (sample.video, failures) == (0, [(1, "cut")])
