"""Which of a file's sites stand inside which: asked once for every site, so not answered by looking at all of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate

from porter.index.site import Site


class Nesting:
    """The sites of a file by their places. Equal places stand inside one another."""

    def __init__(self, sites: Iterable[Site]) -> None:
        self._sites = sorted(sites, key=lambda site: (site.start, -site.end))
        self._starts = [site.start for site in self._sites]
        self._reached = list(accumulate((site.end for site in self._sites), max))  # by a site or one before it

    def within(self, start: int, end: int) -> list[Site]:
        """The sites inside ``start:end``, in order."""
        first, last = bisect_left(self._starts, start), bisect_right(self._starts, end)
        return [site for site in self._sites[first:last] if site.end <= end]

    def starting(self, start: int, end: int) -> list[Site]:
        """The sites that start in ``start:end``, in order."""
        return self._sites[bisect_left(self._starts, start) : bisect_left(self._starts, end)]

    def around(self, site: Site) -> Iterator[Site]:
        """The other sites that hold ``site``, innermost first."""
        at = bisect_right(self._starts, site.start) - 1
        while at >= 0 and self._reached[at] >= site.end:
            if self._sites[at] is not site and self._sites[at].end >= site.end:
                yield self._sites[at]
            at -= 1
