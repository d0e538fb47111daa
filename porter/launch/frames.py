"""Whose line it is: the program's own, a package's, or one of Python, PyTorch and porter."""

from __future__ import annotations

import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from types import FrameType, TracebackType
from typing import NamedTuple

import porter

_PATHS = sysconfig.get_paths()
_PACKAGES = tuple({_PATHS["purelib"], _PATHS["platlib"]})
_PORTER = (str(Path(porter.__file__).parent),)
_SYSTEM = (*_PORTER, _PATHS["stdlib"], _PATHS["platstdlib"])
_TRACEBACK_LINE = re.compile(r'^ *File "(.+)", line (\d+), in ', re.MULTILINE)


class Owner(IntEnum):
    """Who can change a line, the likeliest last."""

    SYSTEM = 0
    PACKAGE = 1
    PROGRAM = 2


class Place(NamedTuple):
    """Lines of a file, 1-based, the last included."""

    path: str
    line: int
    end: int


@lru_cache(maxsize=4096)
def owner(path: str) -> Owner:
    """Who owns the file at ``path``, as code objects name it."""
    if path.startswith("<") or _is_below(path, _torch()):
        return Owner.SYSTEM
    if _is_below(path, _PACKAGES):
        return Owner.PACKAGE
    return Owner.SYSTEM if _is_below(path, _SYSTEM) else Owner.PROGRAM


def in_cuda(path: str) -> bool:
    """Whether ``path`` is a part of `torch.cuda`."""
    return any(_is_below(path, (str(Path(root) / "cuda"),)) for root in _torch())


def caller() -> Place | None:
    """The line that called into PyTorch, if it is the program's own: the innermost outside of PyTorch and Python."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if (whose := owner(path)) is not Owner.SYSTEM:
            return Place(path, frame.f_lineno, frame.f_lineno) if whose is Owner.PROGRAM else None
        frame = frame.f_back
    return None


def stack(error: BaseException) -> list[Place]:
    """Where an exception came through, innermost first.

    What a worker process raised comes with its own traceback as text in the message: that is further in.
    """
    here = [
        Place(frame.filename, frame.lineno or 0, getattr(frame, "end_lineno", None) or frame.lineno or 0)
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    told = [Place(path, int(line), int(line)) for path, line in _TRACEBACK_LINE.findall(str(error))]
    return [*reversed(told), *reversed(here)]


def foremost(places: list[Place]) -> list[Place]:
    """Those of ``places`` that the likeliest owner can change: the program's own, or else a package's."""
    best = max((owner(place.path) for place in places), default=Owner.SYSTEM)
    return [place for place in places if owner(place.path) is best] if best is not Owner.SYSTEM else []


def chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that led to it, as its traceback tells them, the last first."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)


def trim(error: BaseException) -> None:
    """Take porter out of an exception's tracebacks: on the device, an operator has no lines of Python below it."""
    for link in chain(error):
        frames = [*_frames(link.__traceback__)]
        owners = [owner(frame.tb_frame.f_code.co_filename) for frame in frames]
        mine = [_is_below(frame.tb_frame.f_code.co_filename, _PORTER) for frame in frames]
        if True not in mine:
            continue
        last = max(i for i, is_mine in enumerate(mine) if is_mine)
        below = len(frames) if max(owners[last:]) is not Owner.SYSTEM else last
        kept = [frame for i, frame in enumerate(frames) if i < below and not mine[i]]
        for frame, following in zip(kept, [*kept[1:], None], strict=True):
            frame.tb_next = following
        link.__traceback__ = kept[0] if kept else None


def shown(path: str, here: str) -> str:
    """A path as the user knows it: from ``here``, or from where packages are."""
    file = Path(path)
    base = next((base for base in (here, *_PACKAGES) if file.is_relative_to(base)), None)
    return str(file.relative_to(base)) if base else path


def _frames(link: TracebackType | None) -> Iterator[TracebackType]:
    while link is not None:
        yield link
        link = link.tb_next


def _torch() -> tuple[str, ...]:
    torch = sys.modules.get("torch")
    return (str(Path(torch.__file__).parent),) if torch and torch.__file__ else ()


def _is_below(path: str, roots: tuple[str, ...]) -> bool:
    return any(path.startswith(root + "/") or path.startswith(root + "\\") for root in roots)
