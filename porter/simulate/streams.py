"""Streams and events: order that is kept by itself, and time that was really measured.

The simulated device runs each operator before the next one is asked for. So every stream is up to date at every moment,
waiting takes no time, and an event is the clock at the moment when it was recorded.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import torch

from porter.simulate.classes import answering
from porter.simulate.runtime import Runtime
from porter.simulate.simulation import BACKEND

_DEVICE_TYPE = 20  # c10::DeviceType::PrivateUse1


class Stream(torch.Stream):
    """A queue of work for one device: the class behind `torch_neuronx.Stream`."""

    runtime: Runtime
    _count = 0

    def __new__(cls, device: Any = None, priority: int = 0, *, stream_id: int | None = None) -> Stream:
        """A new stream, or the one with an id: 0 is the default stream of a device."""
        if stream_id is None:
            Stream._count += 1
            stream_id = Stream._count
        index = cls.runtime.index(device)
        made: Stream = super().__new__(cls, stream_id=stream_id, device_index=index, device_type=_DEVICE_TYPE)
        return made

    def synchronize(self) -> None:
        """Wait until all work is done, which it is."""

    def query(self) -> bool:
        """Whether all work is done."""
        return True

    def wait_event(self, event: Any) -> None:
        """Make later work wait for an event, which is over."""

    def wait_stream(self, stream: Any) -> None:
        """Make later work wait for another stream, which has none left."""

    def record_event(self, event: Event | None = None) -> Event:
        """Record an event, by default a new one without a time."""
        event = event or Event()
        event.record(self)
        return event

    def __enter__(self) -> Stream:
        self._context = StreamContext(self)
        self._context.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._context.__exit__(*raised)

    def __repr__(self) -> str:
        return f"<torch_neuronx.Stream device={self.device} stream_id={self.stream_id}>"


class Event(torch.Event):
    """A moment in a stream: the class behind `torch_neuronx.Event`."""

    _moment: float | None
    _timed: bool

    def __new__(cls, enable_timing: bool = False, blocking: bool = False) -> Event:
        """An event that is not recorded yet."""
        made: Event = super().__new__(cls, BACKEND, enable_timing=enable_timing, blocking=blocking)
        made._moment, made._timed = None, enable_timing
        return made

    def record(self, stream: Any = None) -> None:
        """Let this be the moment."""
        self._moment = time.perf_counter()

    def wait(self, stream: Any = None) -> None:
        """Make a stream wait for this event, which is over."""

    def query(self) -> bool:
        """Whether the work recorded by this event is done."""
        return True

    def synchronize(self) -> None:
        """Wait for this event, which is over."""

    def elapsed_time(self, end_event: Any) -> float:
        """Milliseconds from this event to another one; raises RuntimeError unless both were timed and recorded."""
        if not (self._timed and end_event._timed):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._moment is None or end_event._moment is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        return float(end_event._moment - self._moment) * 1e3


class Streams:
    """Which stream is current, by thread and device."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._thread = threading.local()
        Stream.runtime, StreamContext.streams = runtime, self

    def _current(self) -> dict[int, torch.Stream]:
        streams: dict[int, torch.Stream] = self._thread.__dict__.setdefault("streams", {})
        return streams

    def default(self, device: Any = None) -> Stream:
        """The stream that a device starts with."""
        return Stream(self._runtime.index(device), stream_id=0)

    def current(self, device: Any = None) -> torch.Stream:
        """The stream that is current on a device."""
        index = self._runtime.index(device)
        return self._current().get(index) or self.default(index)

    def select(self, stream: torch.Stream | None) -> None:
        """Make a stream current, and its device; None changes nothing."""
        if stream is not None:
            self._runtime.select(stream.device)
            self._current()[stream.device.index] = stream


def register() -> None:
    """Let `torch.Stream` and `torch.Event` make streams and events of the device, which is also their default."""

    def make_stream(device: Any = None, *, priority: int = 0, stream_id: int | None = None, **identity: Any) -> Any:
        if identity or stream_id is not None or not _meant(device):
            return None
        return Stream(device, priority)

    def make_event(
        device: Any = None, *, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False
    ) -> Any:
        return Event(enable_timing, blocking) if _meant(device) and not interprocess else None

    torch.Stream, torch.Event = answering(torch.Stream, make_stream), answering(torch.Event, make_event)


def _meant(device: Any) -> bool:
    """Whether a device, if any is named, is the simulated one."""
    return device is None or isinstance(device, int) or torch.device(device).type == BACKEND


class StreamContext:
    """Makes a stream current for a while: `torch.neuron.stream`, `torch_neuronx.StreamContext`."""

    streams: Streams

    def __init__(self, stream: torch.Stream | None) -> None:
        self.stream = stream

    def __enter__(self) -> torch.Stream | None:
        if self.stream is not None:
            runtime = self.streams._runtime
            self._device = runtime.current()
            self._before = self.streams.current(self.stream.device)
            self.streams.select(self.stream)
        return self.stream

    def __exit__(self, *raised: Any) -> None:
        if self.stream is not None:
            self.streams.select(self._before)
            self.streams._runtime.select(self._device)
