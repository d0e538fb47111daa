"""Where a program asks for CUDA and does not fail: it gets a no, or a warning, and goes on without the device."""

from __future__ import annotations

import functools
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any, TextIO

import msgspec

from porter.launch.frames import Owner, Place, caller, owner

QUESTIONS = ("is_available", "device_count")
"""Functions of `torch.cuda` by which programs choose their path."""

_NAMES_CUDA = re.compile(r"\bcuda\b", re.IGNORECASE)


class Ask(msgspec.Struct, frozen=True):
    """Something that a line of the program asked of CUDA. ``answer`` is what it got: False, 0, or a warning's text."""

    what: str
    answer: str
    path: str
    line: int
    count: int = 1


class Asked:
    """Watches `torch.cuda` and warnings, for the program's own lines only."""

    def __init__(self) -> None:
        self._counts: dict[Ask, int] = {}

    def watch(self) -> None:
        """Begin. Must be called once, after `torch.cuda` was imported."""
        import torch

        for name in QUESTIONS:
            setattr(torch.cuda, name, self._question(getattr(torch.cuda, name)))
        warnings.showwarning = self._warning(warnings.showwarning)

    def all(self) -> list[Ask]:
        """What was asked, by file and line."""
        found = [msgspec.structs.replace(ask, count=count) for ask, count in self._counts.items()]
        return sorted(found, key=lambda ask: (ask.path, ask.line, ask.what))

    def _note(self, what: str, answer: str, place: Place) -> None:
        ask = Ask(what, answer, place.path, place.line)
        self._counts[ask] = self._counts.get(ask, 0) + 1

    def _question(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def question(*args: Any, **kwargs: Any) -> Any:
            answer = function(*args, **kwargs)
            asking = sys._getframe(1)  # not who called that one: PyTorch asks itself all the time
            if not answer and owner(asking.f_code.co_filename) is Owner.PROGRAM:
                place = Place(asking.f_code.co_filename, asking.f_lineno, asking.f_lineno)
                self._note(f"torch.cuda.{function.__name__}()", str(answer), place)
            return answer

        return question

    def _warning(self, show: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(show)
        def showwarning(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            text = str(message)
            if _NAMES_CUDA.search(text) and (place := caller()):
                self._note("warning", text.strip().partition("\n")[0], place)
            show(message, category, filename, lineno, file, line)

        return showwarning
