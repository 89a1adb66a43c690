"""Draw the effect of each family of transforms: python tools/draw_transforms.py VIDEO --out DIR."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from stn_action.cli import ends_cleanly, tool_parser, user_path


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, read a short clip, draw."""
    parser = tool_parser(__file__, __doc__)
    parser.add_argument("video", nargs="?", metavar="VIDEO", help="default: a generated clip")
    parser.add_argument("--frame", type=int, help="its number, from 0 (default: the middle)")
    parser.add_argument("--height", type=int, default=300, help="of frames, pixels (default: 300)")
    parser.add_argument("--whole", action="store_true", help="draw full frames, not a square")
    parser.add_argument("--small", action="store_true", help="few colors and no sheet, for docs/")
    parser.add_argument("--out", type=user_path, default=Path("runs/transforms"), help="folder")
    options = parser.parse_args(arguments)
    if options.height < 32:
        parser.error(f"--height must be at least 32, got {options.height}")

    from stn_action.visualize import family_image
    from stn_action.visualize.images import save_png

    frames = list(read_clip(options.video, options.frame))
    clip = family_image.resize_frames(frames, options.height, square=not options.whole)
    names = family_image.EXAMPLES
    images = {f"transforms_{name}.png": family_image.draw_family(name, clip) for name in names}
    if not options.small:
        images["transforms.png"] = family_image.draw_families(clip)
    for name, image in images.items():
        save_png(options.out / name, image)
        if options.small:
            few = Image.fromarray(image).quantize(96, Image.Quantize.MAXCOVERAGE, kmeans=3)
            few.save(options.out / name, optimize=True)
        print(options.out / name)


def read_clip(video: str | None, frame: int | None) -> np.ndarray:
    """Return (T, H, W, 3) around a frame of a video, or of a generated clip."""
    from stn_action.data.synthetic.sample_set import plan_clips, render_plan
    from stn_action.video.backend_table import open_video
    from stn_action.visualize.family_image import frame_numbers_around

    if video is None:
        frames = render_plan(plan_clips(0, (1, 1))[0]).frames
        return frames[frame_numbers_around(frame, len(frames))]
    with open_video(video) as reader:
        frames = reader.read(frame_numbers_around(frame, len(reader)))
    return frames.data.permute(0, 2, 3, 1).numpy()


if __name__ == "__main__":
    sys.exit(main())
