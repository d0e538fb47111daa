"""A limit on the processor time that one file may take, so that no file holds up a run.

The time is the process's own, not the clock's: a busy machine costs nobody a file. On the main thread of a POSIX
system the kernel keeps it, and stops Python code and regular expressions. Elsewhere a thread keeps it, and stops Python
code. What no Python can stop is a parser written in C or Rust: for these there is the limit on a file's size.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from porter.model import Problem

_LEAST = 0.01  # seconds to sleep between two looks at the time


class TooSlow(BaseException):
    """The time is up. No Exception, lest somebody on the way takes it for a failure of his own."""


def slow(path: str, seconds: float) -> Problem:
    """What to tell of a file whose time was up."""
    advice = "exclude it if it is generated, or raise `seconds-per-file`"
    return Problem(path, f"takes more than {seconds:g} s and was left out; {advice}")


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise `TooSlow` in the block once it has taken so much of the process's time; 0 is no limit. Not to be nested."""
    if not seconds:
        yield
    elif hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        with _by_kernel(seconds):
            yield
    else:
        with _by_thread(seconds):
            yield


@contextmanager
def _by_kernel(seconds: float) -> Iterator[None]:
    running = True

    def ring(*_: object) -> None:
        if running:
            raise TooSlow

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        running = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before or signal.SIG_DFL)


@contextmanager
def _by_thread(seconds: float) -> Iterator[None]:
    from ctypes import c_ulong, py_object, pythonapi

    end, over, asking = time.process_time() + seconds, threading.Event(), threading.Lock()
    thread = c_ulong(threading.get_ident())

    def watch() -> None:
        while (left := end - time.process_time()) > 0:
            if over.wait(max(left, _LEAST)):
                return
        with asking:
            if not over.is_set():
                pythonapi.PyThreadState_SetAsyncExc(thread, py_object(TooSlow))

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        with asking:
            over.set()
            pythonapi.PyThreadState_SetAsyncExc(thread, None)  # should it have come too late
