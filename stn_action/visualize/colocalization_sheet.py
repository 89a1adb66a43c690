"""Sheets of windows while they are trained: a row for each image, a column for each time."""

from collections.abc import Mapping

from torch import Tensor

from stn_action.visualize.frame_overlay import draw_windows
from stn_action.visualize.image_layout import hstack_images, vstack_images
from stn_action.visualize.images import Image, as_image, blank_image
from stn_action.visualize.legend import STRIP_COLOR, draw_header, draw_legend

TILE_PIXELS = 168
"""Height and width of an image on the sheet."""
GAP_PIXELS = 6
TEXT_HEIGHT = 9


def draw_colocalization(images: Tensor, boxes: Tensor, windows: Mapping[str, Tensor]) -> Image:
    """Draw images with the true box and the window, as it was at several times.

    Args:
        images: (N, H, W) uint8.
        boxes: (N, 4) xyxy, pixels: the true boxes, drawn in thin white.
        windows: (N, 4) likewise, by caption, a column each.
    """
    columns = []
    for caption, of_images in windows.items():
        tiles = [draw_header(caption, None, TILE_PIXELS, TEXT_HEIGHT)]
        for image, box, window in zip(images, boxes, of_images, strict=True):
            tiles += [_tile(image, box, window), _gap(GAP_PIXELS, TILE_PIXELS)]
        column = vstack_images(tiles)
        columns += [column, _gap(len(column), GAP_PIXELS)]
    sheet = hstack_images(columns[:-1])
    legend = draw_legend(["window"], sheet.shape[1], TEXT_HEIGHT, person=False, target=True)
    return vstack_images([sheet, legend])


def _tile(image: Tensor, box: Tensor, window: Tensor) -> Image:
    corners = window[[0, 1, 2, 1, 2, 3, 0, 3]].view(1, 4, 2)  # clockwise from the top left
    canvas = as_image(image[None].expand(3, -1, -1))
    return draw_windows(canvas, corners, (TILE_PIXELS, TILE_PIXELS), target_box=box)


def _gap(height: int, width: int) -> Image:
    return blank_image((height, width), STRIP_COLOR)
