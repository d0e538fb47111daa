"""The first pass over many files, shared out among processes where that is worth their start."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush

import msgspec

from porter.index.analyse import analyse, lens
from porter.index.facts import Facts, Setup, Task, encode

_FEW = 64  # files that one process is quick to deal with, by name or by size
_SMALL = 2_000_000  # bytes, likewise
_CHUNKS = 4  # for each process: the last to finish does not keep the others waiting for long

_decoder = msgspec.msgpack.Decoder(list[bytes])  # each of its own, so that nothing holds on to the whole


def analyse_all(
    tasks: Sequence[Task], setup: Setup, jobs: int, progress: Callable[[int, int], None] | None = None
) -> Iterator[tuple[int, Facts]]:
    """The facts of every file with its place in ``tasks``, as they come: by no order where processes share the work.

    ``jobs`` is the number of processes, 0 for as many as there are processors. ``progress`` is told how many files
    are done, and of how many. Raises CatalogueError.
    """
    done: set[int] = set()
    sizes = [_size(task) for task in tasks]
    processes = min(jobs or _processors(), len(tasks))
    if processes > 1 and len(tasks) >= _FEW and sum(sizes) >= _SMALL:
        lens(setup)  # here, so that processes which inherit this one's memory need not
        for place, facts in _shared(tasks, sizes, setup, processes):
            done.add(place)
            yield place, facts
            if progress is not None:
                progress(len(done), len(tasks))
    for place, task in enumerate(tasks):
        if place not in done:
            done.add(place)
            yield place, analyse(task, lens(setup))
            if progress is not None:
                progress(len(done), len(tasks))


def _shared(tasks: Sequence[Task], sizes: Sequence[int], setup: Setup, processes: int) -> Iterator[tuple[int, Facts]]:
    """What other processes find; it ends early where the system has no processes to give, or one of them dies."""
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool

    try:
        pool = ProcessPoolExecutor(processes, initializer=_begin)
    except (OSError, ImportError, NotImplementedError):  # no semaphores
        return
    try:
        chunks = _balanced(sizes, processes * _CHUNKS)
        waiting = {pool.submit(_work, [tasks[i] for i in chunk], setup): chunk for chunk in chunks}
        for future in as_completed(list(waiting)):
            for place, raw in zip(waiting.pop(future), _decoder.decode(future.result()), strict=True):
                yield place, msgspec.msgpack.decode(raw, type=Facts)
    except (OSError, BrokenProcessPool):
        return
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _begin() -> None:
    """Leave an interrupt from the keyboard, which all processes get, to the one that started the others."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _work(tasks: Sequence[Task], setup: Setup) -> bytes:
    return msgspec.msgpack.encode([encode(analyse(task, lens(setup))) for task in tasks])


def _balanced(sizes: Sequence[int], count: int) -> list[list[int]]:
    """Places of ``sizes`` in at most ``count`` chunks of about the same sum, the largest first."""
    heap: list[tuple[int, int]] = [(0, n) for n in range(min(count, len(sizes)))]
    chunks: list[list[int]] = [[] for _ in heap]
    for place in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        total, n = heappop(heap)
        chunks[n].append(place)
        heappush(heap, (total + sizes[place] + 1, n))
    return chunks


def _size(task: Task) -> int:
    if task.raw is not None:
        return len(task.raw)
    try:
        return os.stat(task.path).st_size  # noqa: PTH116  (half the time)
    except OSError:
        return 0


def _processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
