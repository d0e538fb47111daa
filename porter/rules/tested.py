"""Which judgements are of a test of the device, and what runs only where such a test holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from porter.index.nesting import Nesting
from porter.index.outline import Span
from porter.index.site import Site
from porter.rules.base import Context, Judgement
from porter.rules.placement.flags import flag, reads, words

TESTS = frozenset({"cuda-device-comparison", "cuda-tensor-test", "cuda-availability"})
BUILD = "torch.version.cuda"
_DENIED = re.compile(rb"\bnot\s+[\w.]+")
ARMS = frozenset({"cuda", "mention", "test"})  # guards that their test opens
OPENED = ARMS | {"after"}


def is_test(result: Judgement) -> bool:
    """Whether a judgement is about a test of the device: what or how many there are, a type, or PyTorch's build."""
    site = result.site
    asks = site.name in ("torch.cuda.device_count", BUILD) and site.parent in ("Compare", "BoolOp", "test")
    asks = asks or (result.rule == "dynamic-cuda-access" and site.parent in ("BoolOp", "test"))
    asks = asks or (result.rule == "framework-argument" and site.name.endswith("cuda_available"))
    asks = asks or (result.rule == "cuda-tensor-type" and (site.use == "compare" or site.parent == "Call"))
    return result.rule in TESTS or asks


def opens(test: Site, site: Site, kinds: frozenset[str] = OPENED) -> bool:
    """Whether ``site`` runs only if ``test`` holds, by a guard of these kinds."""
    return any(g.kind in kinds and g.start <= test.start and test.end <= g.end for g in site.guards)


def opens_by_flag(name: bytes, test: Site, site: Site, ctx: Context) -> bool:
    """Whether the site runs only where a variable is true that holds the test's answer."""
    around = test.scope.rpartition(".")[0] if name.startswith(b"self.") else test.scope
    if not site.inside(around):
        return False
    texts = (ctx.source.text[guard.start : guard.end] for guard in site.guards if guard.kind in OPENED)
    return any(reads(name).search(_positive(text)) for text in texts)


class Tests:
    """Some tests of a file, asked which of them a site runs under."""

    def __init__(self, tests: Iterable[Site], ctx: Context) -> None:
        self._ctx, self._places = ctx, Nesting(tests)
        self._named: dict[bytes, list[tuple[bytes, Site]]] = {}  # by the last word of what their answers are called
        for test in self._places:
            if (name := flag(test, ctx)) is not None:
                self._named.setdefault(words(name)[-1], []).append((name, test))

    def opening(self, site: Site, kinds: frozenset[str] = OPENED) -> set[Site]:
        """Those that `opens` holds for."""
        guards = (guard for guard in site.guards if guard.kind in kinds)
        return {test for guard in guards for test in self._places.within(guard.start, guard.end)}

    def flagging(self, site: Site) -> set[Site]:
        """Those that `opens_by_flag` holds for."""
        guards = (guard for guard in site.guards if guard.kind in OPENED) if self._named else ()
        said = {word for guard in guards for word in self._ctx.once(_words, guard.start, guard.end)}
        named = (found for word in said for found in self._named.get(word, ()))
        return {test for name, test in named if opens_by_flag(name, test, site, self._ctx)}


class Led:
    """Some judgements of a file, asked for those that a test leads to."""

    def __init__(self, results: list[Judgement], tests: Tests, ctx: Context) -> None:
        self._ctx, self._all = ctx, results
        self._opened: dict[Site, list[int]] = {}
        self._flagged: dict[Site, list[int]] = {}
        self._starts: dict[int, list[int]] = {}
        for number, result in enumerate(results):
            self._starts.setdefault(result.site.start, []).append(number)
            for test in tests.opening(result.site, ARMS):
                self._opened.setdefault(test, []).append(number)
            for test in tests.flagging(result.site):
                self._flagged.setdefault(test, []).append(number)

    def __iter__(self) -> Iterator[Judgement]:
        return iter(self._all)

    def opened(self, test: Site) -> list[Judgement]:
        """What stands in the arms of the test."""
        return [self._all[number] for number in self._opened.get(test, ())]

    def flagged(self, test: Site) -> list[Judgement]:
        """What stands in the arms of what the test's answer is called."""
        return [self._all[number] for number in self._flagged.get(test, ())]

    def within(self, spans: Iterable[Span]) -> list[Judgement]:
        """What starts in one of some places."""
        starts = {site.start for span in spans for site in self._ctx.nesting.starting(span.start, span.end)}
        return [self._all[number] for number in sorted(n for start in starts for n in self._starts.get(start, ()))]


def _words(ctx: Context, start: int, end: int) -> set[bytes]:
    return set(words(ctx.source.text[start:end]))


def _positive(condition: bytes) -> bytes:
    """A condition without what it denies."""
    return _DENIED.sub(b"", condition)
