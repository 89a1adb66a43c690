"""Draw the rooms of the package and what imports what: python docs/draw_rooms.py.

The drawing is made from the source alone: a room is a folder or a file of `stn_action/`, an arrow
an import. A room stands above all rooms that it imports. Arrows that follow from others are left
out: if `runs` imports `build` and `build` imports `data`, `runs` may import `data` as well.
"""

import ast
import itertools
import math
import textwrap
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch
from PIL import Image

from stn_action.visualize.chart_figure import SERIES_COLORS, Figure, chart_style, save_figure

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "stn_action"
SMALL_FOLDERS = {"disk", "workers"}
"""Rooms that everything may use, though each is a few files."""
WIDTH, HEIGHT = 2.5, 0.78
"""Of a room, inches."""
ROW, COLUMN, LANE = 1.16, 2.8, 0.4
"""From one room to the next, and the width of an arrow that passes between rooms, inches."""
BASE_COLOR, EDGE_COLOR = "#f0f1f4", "#5a5a5a"

Imports = dict[str, set[str]]
"""Each room and the rooms that it imports."""
Paths = dict[tuple[str, str], list[str]]
"""Each arrow and what it goes through."""
Point = tuple[float, float]


def read_imports(package: Path = PACKAGE) -> Imports:
    """Read the imports between rooms out of the source; the package's own `__init__` is no room."""
    imports: Imports = {}
    for path in sorted(package.rglob("*.py")):
        room = path.relative_to(package).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        found = imports.setdefault(room, set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                found |= _room_of(node.module or "", package.name)
            elif isinstance(node, ast.Import):
                found |= {one for alias in node.names for one in _room_of(alias.name, package.name)}
    return {room: found - {room} for room, found in imports.items()}


def read_words(package: Path = PACKAGE) -> dict[str, str]:
    """Read what each room is for: the first sentence of its docstring."""
    words = {}
    for path in [*package.glob("*.py"), *package.glob("*/__init__.py")]:
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        room = path.parent.name if path.name == "__init__.py" else path.stem
        words[room] = docstring.partition("\n")[0].rstrip(".")
    return words


def base_rooms(imports: Imports, package: Path = PACKAGE) -> list[str]:
    """Return the small rooms that everything may use: they import only each other."""
    base = {room for room in imports if (package / f"{room}.py").is_file() or room in SMALL_FOLDERS}
    while above := {room for room in base if not imports[room] <= base}:
        base -= above
    return sorted(base)


def stack_rooms(imports: Imports) -> list[list[str]]:
    """Sort rooms into layers from below, each as low as what it imports allows.

    Raises:
        ValueError: rooms import each other in a circle.
    """
    layers: list[list[str]] = []
    left = dict(imports)
    while left:
        layer = sorted(room for room, found in left.items() if not found & left.keys())
        if not layer:
            raise ValueError(f"rooms import each other in a circle: {', '.join(sorted(left))}")
        layers.append(layer)
        left = {room: found for room, found in left.items() if room not in layer}
    return layers


def shorten_imports(imports: Imports) -> Imports:
    """Leave out the imports that follow from others."""
    below: Imports = {}
    for room in itertools.chain.from_iterable(stack_rooms(imports)):
        below[room] = imports[room].union(*(below[other] for other in imports[room]))
    return {
        room: {
            other for other in found if not any(other in below[third] for third in found - {other})
        }
        for room, found in imports.items()
    }


def draw_rooms(imports: Imports, words: dict[str, str], base: list[str]) -> Figure:
    """Draw rooms as boxes in layers, arrows between them, and the base as one band below."""
    upper = {room: found - set(base) for room, found in imports.items() if room not in base}
    arrows = shorten_imports(upper)
    layers, paths = _route(stack_rooms(upper), arrows)
    places = _place(layers, paths, upper)
    width = max(x for x, _ in places.values()) - min(x for x, _ in places.values()) + WIDTH + 0.3
    top = max(y for _, y in places.values()) + HEIGHT + 0.15
    low = -0.84 - 0.2 * len(base)
    with chart_style():
        figure = Figure(figsize=(width, top - low))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(-width / 2, width / 2), ylim=(low, top))
        axes.set_axis_off()
        for path in paths.values():
            _draw_arrow(axes, path, places)
        for room in upper:
            x, y = places[room]
            _draw_box(axes, (x - WIDTH / 2, y), (WIDTH, HEIGHT), "white", SERIES_COLORS[0])
            axes.text(x, y + HEIGHT - 0.1, room, ha="center", va="top", weight="bold")
            lines = textwrap.fill(words.get(room, ""), 36, max_lines=3, placeholder=" …")
            axes.text(x, y + HEIGHT - 0.31, lines, ha="center", va="top", fontsize=7.5)
        _draw_box(axes, (0.15 - width / 2, low + 0.12), (width - 0.3, -low - 0.5), BASE_COLOR,
                  EDGE_COLOR)  # fmt: skip
        axes.text(0.35 - width / 2, -0.54, "small rooms that all rooms above may use", va="center",
                  fontsize=8, style="italic")  # fmt: skip
        for number, room in enumerate(base):
            y = -0.78 - 0.2 * number
            axes.text(0.35 - width / 2, y, room, va="center", fontsize=7.5, weight="bold")
            axes.text(1.7 - width / 2, y, words.get(room, ""), va="center", fontsize=7)
    return figure


def _room_of(module: str, package: str) -> set[str]:
    parts = module.split(".")
    if parts[-1].endswith("_choices"):  # plain names that any room may use
        return set()
    return {parts[1]} if parts[0] == package and len(parts) > 1 else set()


def _route(layers: list[list[str]], arrows: Imports) -> tuple[list[list[str]], Paths]:
    """Give arrows that pass layers a place of their own there.

    Returns:
        The layers with the places of arrows among the rooms, and for each arrow from a room to
        another all that it goes through, from above.
    """
    row_of = {room: row for row, layer in enumerate(layers) for room in layer}
    layers = [list(layer) for layer in layers]
    paths: Paths = {}
    for room, found in sorted(arrows.items()):
        for other in sorted(found):
            passed = range(row_of[room] - 1, row_of[other], -1)
            places = [f"{room} to {other} at {row}" for row in passed]
            for row, place in zip(passed, places, strict=True):
                layers[row].append(place)
            paths[room, other] = [room, *places, other]
    return layers, paths


def _place(layers: list[list[str]], paths: Paths, rooms: Imports) -> dict[str, Point]:
    """Place everything so that arrows are short; (middle x, lower y) in inches.

    Each layer takes the order that is nearest to the layer below; then all of it is centered.
    """
    steps = [pair for path in paths.values() for pair in itertools.pairwise(path)]
    below = {place: [low for high, low in steps if high == place] for high, _ in steps
             for place in [high]}  # fmt: skip
    places: dict[str, Point] = {}
    for row, layer in enumerate(layers):
        best, least = {}, math.inf
        for order in itertools.permutations(layer):
            widths = [COLUMN if name in rooms else LANE for name in order]
            ends = list(itertools.accumulate(widths))
            xs = {
                name: end - width / 2 - ends[-1] / 2
                for name, end, width in zip(order, ends, widths, strict=True)
            }
            length = sum(
                (xs[name] - places[low][0]) ** 2 for name in order for low in below.get(name, [])
            )
            if length < least - 1e-9:
                best, least = xs, length
        places |= {name: (x, ROW * row) for name, x in best.items()}
    return places


def _draw_box(
    axes: Axes, corner: tuple[float, float], size: tuple[float, float], fill: str, edge: str
) -> None:
    style = "round,pad=0,rounding_size=0.08"
    axes.add_patch(
        FancyBboxPatch(corner, *size, boxstyle=style, fc=fill, ec=edge, lw=1.2, zorder=2)
    )


def _draw_arrow(axes: Axes, path: list[str], places: dict[str, Point]) -> None:
    """Draw an arrow from the lower edge of a room to the upper edge of another."""
    xs = [places[name][0] for name in path]
    xs[0] += _toward(xs[0], xs[1])
    xs[-1] += _toward(xs[-1], xs[-2])
    points = [(xs[0], places[path[0]][1])]
    for x, name in zip(xs[1:-1], path[1:-1], strict=True):
        points += [(x, places[name][1] + HEIGHT), (x, places[name][1])]
    end = (xs[-1], places[path[-1]][1] + HEIGHT)
    axes.plot(*zip(*points, strict=True), color=EDGE_COLOR, linewidth=1.2, zorder=1,
              gid=f"{path[0]}-to-{path[-1]}")  # fmt: skip
    axes.annotate(
        "", end, points[-1], zorder=1,
        arrowprops={"arrowstyle": "-|>", "color": EDGE_COLOR, "lw": 1.2,
                    "shrinkA": 0, "shrinkB": 1},
    )  # fmt: skip


def _toward(start: float, end: float) -> float:
    """How far aside of a room's middle an arrow begins that goes to another x."""
    return min(max(0.25 * (end - start), -0.35 * WIDTH), 0.35 * WIDTH)


def main() -> None:
    """Write docs/rooms.svg and a small docs/rooms.png."""
    imports = read_imports()
    path = save_figure(
        ROOT / "docs/rooms.png", draw_rooms(imports, read_words(), base_rooms(imports))
    )[0]
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(5, Image.Quantize.MEDIANCUT, kmeans=3)
    small.save(path, optimize=True)


if __name__ == "__main__":
    main()
