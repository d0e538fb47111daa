"""Which places of a file stand inside which: asked once for every site, so not answered by looking at all of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Generic, Protocol, TypeVar


class Placed(Protocol):
    """What has a place: a site, a guard, a span."""

    @property
    def start(self) -> int:
        """Where it starts."""

    @property
    def end(self) -> int:
        """Where it ends."""


P = TypeVar("P", bound=Placed)


class Nesting(Generic[P]):
    """The sites of a file, say, by their places. Equal places stand inside one another."""

    def __init__(self, places: Iterable[P]) -> None:
        self._places = sorted(places, key=lambda place: (place.start, -place.end))
        self._starts = [place.start for place in self._places]
        self._reached = list(accumulate((place.end for place in self._places), max))  # by a place or one before it

    def __iter__(self) -> Iterator[P]:
        return iter(self._places)

    def within(self, start: int, end: int) -> list[P]:
        """What stands inside ``start:end``, in order."""
        first, last = bisect_left(self._starts, start), bisect_right(self._starts, end)
        return [place for place in self._places[first:last] if place.end <= end]

    def starting(self, start: int, end: int) -> list[P]:
        """What starts in ``start:end``, in order."""
        return self._places[bisect_left(self._starts, start) : bisect_left(self._starts, end)]

    def around(self, inner: Placed) -> Iterator[P]:
        """What else holds ``inner``, innermost first."""
        at = bisect_right(self._starts, inner.start) - 1
        while at >= 0 and self._reached[at] >= inner.end:
            if self._places[at] is not inner and self._places[at].end >= inner.end:
                yield self._places[at]
            at -= 1
