"""The plot: lines of Python against CPU seconds, both axes logarithmic, as an SVG that any background may have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from math import ceil, floor, log10
from typing import NamedTuple

from tests.benchmarks.measure import Figure

WIDTH, HEIGHT = 860, 500
LEFT, RIGHT, TOP, BOTTOM = 70, 610, 30, 440  # of the axes
LEAST = 0.001  # CPU seconds: what took less, took as good as nothing
APART = 17  # pixels between labels
INK = "#768390"  # grey that stands out from white and from black
# Tones that both take; porter's are the warm ones.
COLOURS = {
    "TorchFix": "#8e7cc3",
    "porter rewrite": "#c98a2f",
    "porter check, cold": "#e5534b",
    "porter check, one file changed": "#b5a01f",
    "porter check, nothing changed": "#d96ba0",
    "ast-grep": "#3fa796",
    "ruff check, banned-api": "#6cb6ff",
    "ruff check": "#316dca",
    "git grep": "#768390",
}


class Axis(NamedTuple):
    """Decades of values, and the pixels where they begin and end."""

    low: int
    high: int
    start: float
    end: float

    def at(self, value: float) -> float:
        """The pixel of a value."""
        return self.start + (log10(value) - self.low) / (self.high - self.low) * (self.end - self.start)


def axis(values: Sequence[float], start: float, end: float) -> Axis:
    """The decades that hold all values."""
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    return Axis(low, max(high, low + 1), start, end)


def draw(figures: Iterable[Figure]) -> str:
    """The plot of the contenders that have a colour."""
    figures = list(figures)
    series = {name: points for name in COLOURS if (points := _points(figures, name))}
    sizes, costs = zip(*(point for points in series.values() for point in points), strict=True)
    x, y = axis(sizes, LEFT, RIGHT), axis(costs, BOTTOM, TOP)
    parts = [*_grid(x, y)]
    ends = {name: y.at(points[-1][1]) for name, points in series.items()}
    for name, place in spread(ends).items():
        parts += _line(name, [(x.at(lines), y.at(seconds)) for lines, seconds in series[name]], place)
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-label="Lines of Python against CPU seconds" font-family="sans-serif" font-size="13">\n'
        f"{body}\n</svg>\n"
    )


def spread(places: dict[str, float]) -> dict[str, float]:
    """The places from top to bottom, moved down (and, at the bottom, up) until they are apart."""
    found: dict[str, float] = {}
    for name, place in sorted(places.items(), key=lambda item: item[1]):
        found[name] = max(place, *(other + APART for other in found.values()), 0)
    limit = float(BOTTOM)
    for name in reversed(found):
        found[name] = limit = min(found[name], limit)
        limit -= APART
    return found


def _points(figures: Iterable[Figure], name: str) -> list[tuple[int, float]]:
    return sorted((f.lines, max(f.cost.seconds, LEAST)) for f in figures if f.contender == name and f.cost)


def _grid(x: Axis, y: Axis) -> Iterator[str]:
    for power in range(x.low, x.high + 1):
        at = x.at(10**power)
        yield _stroke(at, TOP, at, BOTTOM)
        yield _text(at, BOTTOM + 20, _number(power), "middle")
    for power in range(y.low, y.high + 1):
        at = y.at(10**power)
        yield _stroke(LEFT, at, RIGHT, at)
        yield _text(LEFT - 8, at + 4, _number(power), "end")
    yield _text((LEFT + RIGHT) / 2, BOTTOM + 45, "lines of Python", "middle")
    yield _text(LEFT - 8, TOP - 12, "CPU s", "end")


def _line(name: str, points: Sequence[tuple[float, float]], label: float) -> Iterator[str]:
    colour = COLOURS[name]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    width = 3 if name.startswith("porter") else 1.5
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
    for x, y in points:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{width + 1}" fill="{colour}"/>'
    x, y = points[-1]
    yield f'<path d="M{x + 6:.1f} {y:.1f}L{RIGHT + 10} {label:.1f}" stroke="{colour}" stroke-dasharray="2 3"/>'
    yield _text(RIGHT + 14, label + 4, name, "start", colour)


def _stroke(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{INK}" stroke-opacity="0.3"/>'


def _text(x: float, y: float, text: str, anchor: str, fill: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{escape(text)}</text>'


def _number(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:g}"
