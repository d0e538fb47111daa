"""Streams and events: contexts, identity, and time that passes."""

from __future__ import annotations

import time

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("simulation")


def test_streams() -> None:
    neuron = torch.neuron
    default = neuron.default_stream()
    assert neuron.current_stream() == default and default.stream_id == 0 and isinstance(default, torch.Stream)
    side = neuron.Stream()
    assert side != default and side.device == torch.device("neuron:0")
    with neuron.stream(side) as entered:
        assert entered is side and neuron.current_stream() == side == torch.accelerator.current_stream()
        with neuron.stream(None):
            assert neuron.current_stream() == side
    assert neuron.current_stream() == default
    neuron.set_stream(side)
    assert neuron.current_stream() == side
    neuron.set_stream(default)
    other = neuron.Stream(device="neuron:1", priority=-1)
    with neuron.stream(other):
        assert neuron.current_device() == 1 and neuron.current_stream() == other
        assert neuron.current_stream(0) == default
    assert neuron.current_device() == 0
    side.wait_stream(default)
    side.wait_event(side.record_event())
    side.synchronize()
    assert side.query() and neuron.query()
    neuron.wait_stream(side)
    neuron.wait_event(neuron.record_event())
    torch.ones(2, device="neuron").record_stream(side)


def test_stream_and_event_are_functions() -> None:
    with pytest.raises(TypeError):
        isinstance(torch.neuron.Stream(), torch.neuron.Stream)
    with pytest.raises(TypeError):
        torch.neuron.Stream(0)
    with pytest.raises(TypeError):
        torch.neuron.Event(interprocess=True)


def test_events_measure_what_ran_between_them() -> None:
    start, end = (torch.neuron.Event(enable_timing=True) for _ in range(2))
    base = torch.randn(256, 256, device="neuron")
    clock = time.perf_counter()
    start.record()
    for _ in range(20):
        base @ base
    end.record(torch.neuron.current_stream())
    clock = (time.perf_counter() - clock) * 1e3
    torch.neuron.synchronize()
    assert end.query() and 0.5 * clock < start.elapsed_time(end) <= clock
    assert end.elapsed_time(start) < 0
    end.synchronize()
    end.wait()


def test_events_say_what_they_lack() -> None:
    timed, plain = torch.neuron.Event(enable_timing=True), torch.neuron.Event()
    with pytest.raises(ValueError, match="enable_timing=True"):
        timed.elapsed_time(plain)
    with pytest.raises(ValueError, match="must be recorded"):
        timed.elapsed_time(torch.neuron.Event(enable_timing=True))


def test_synchronizing_is_traced(trace: object) -> None:
    torch.neuron.synchronize()
    torch.accelerator.synchronize()
    (sync,) = {(each.kind, each.path) for each in trace.summary().syncs}  # type: ignore[attr-defined]
    assert sync == ("synchronize", __file__)


def test_the_portable_classes_make_the_devices() -> None:
    start, end = (torch.Event(enable_timing=True) for _ in range(2))
    start.record()
    end.record()
    torch.accelerator.synchronize()
    end.synchronize()
    assert start.elapsed_time(end) >= 0
    side = torch.Stream("neuron:1")
    assert side.device == torch.device("neuron:1") and isinstance(side, torch.Stream)
    assert torch.Stream(device="neuron").device == torch.device("neuron:0") == torch.Stream().device
    with side:
        assert torch.accelerator.current_stream() == side and torch.accelerator.current_device_index() == 1
    assert torch.accelerator.current_device_index() == 0
    assert isinstance(start, torch.Event) and issubclass(type(side), torch.Stream) and not isinstance(1, torch.Event)

    class Mine(torch.Stream):
        pass

    assert not isinstance(side, Mine)
