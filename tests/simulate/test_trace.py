"""The trace: what ran, what was copied and waited for on which line, and what will fall back."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from porter.simulate.fallbacks import FALLBACKS  # noqa: E402
from porter.simulate.trace import Trace, caller  # noqa: E402


def _line() -> int:
    """The line of whoever calls."""
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    return frame.f_back.f_lineno


def _syncs(trace: Trace) -> dict[tuple[str, int], int]:
    return {(sync.kind, sync.line): sync.count for sync in trace.summary().syncs if sync.path == __file__}


def _transfers(trace: Trace) -> dict[tuple[str, int], tuple[int, int]]:
    return {(t.kind, t.line): (t.count, t.nbytes) for t in trace.summary().transfers if t.path == __file__}


def test_operators_by_data_type(trace: Trace) -> None:
    x = torch.ones(2, 3, device="neuron")
    for _ in range(3):
        y = x @ x.T
    y.bfloat16() @ y.bfloat16()
    counts = {(operator.name, operator.dtypes): operator.count for operator in trace.summary().operators}
    assert counts["aten::mm", ("float32", "float32")] == 3
    assert counts["aten::mm", ("bfloat16", "bfloat16")] == 1


@pytest.mark.parametrize(
    ("kind", "wait"),
    [
        ("item", lambda x: x.sum().item()),
        ("item", lambda x: float(x[0])),
        ("item", lambda x: bool(x[0] > 0)),
        ("item", lambda x: int(x[0])),
        ("synchronize", lambda x: torch.neuron.synchronize()),
        ("synchronize", lambda x: torch.accelerator.synchronize()),
        ("print", str),
    ],
)
def test_waits_have_the_line_that_waits(trace: Trace, kind: str, wait: Callable[[Any], object]) -> None:
    x = torch.ones(4, device="neuron")
    trace.clear()
    wait(x)
    found = _syncs(trace)
    assert {each for each, _ in found} == {kind}
    lines = {_line() - 3, wait.__code__.co_firstlineno if inspect.isfunction(wait) else 0}
    assert {line for _, line in found} <= lines


def test_copies_have_line_and_size(trace: Trace) -> None:
    x = torch.ones(5).to("neuron")
    up = _line() - 1
    for _ in range(2):
        x.cpu()
    down = _line() - 1
    x.tolist()
    listed = _line() - 1
    torch.zeros(3).copy_(x[:3])
    copied = _line() - 1
    torch.tensor([1.0, 2.0], device="neuron")
    made = _line() - 1
    assert _transfers(trace) == {
        ("h2d", up): (1, 20),
        ("d2h", down): (2, 40),
        ("d2h", listed): (1, 20),
        ("d2h", copied): (1, 12),
        ("h2d", made): (1, 8),
    }


def test_a_line_of_the_program_goes_before_one_of_a_package(trace: Trace, tmp_path: Path) -> None:
    x = torch.ones(1, device="neuron")
    installed = Path(torch.__file__).parent.parent / "somebody" / "module.py"
    scope: dict[str, Any] = {"x": x}
    exec(compile("def read():\n    return x.item()\n", str(installed), "exec"), scope)
    trace.clear()
    scope["read"]()
    assert list(_syncs(trace)) == [("item", _line() - 1)]
    exec(compile("def call():\n    return place()\n", str(installed), "exec"), scope)
    scope["place"] = caller
    assert scope["call"]() == (__file__, _line())


def test_the_standard_library_is_not_the_program(trace: Trace) -> None:
    @torch.no_grad()
    def read() -> float:
        return float(torch.ones(1, device="neuron"))

    read()
    assert all(sync.path == __file__ for sync in trace.summary().syncs)


def test_known_fallbacks_are_told(trace: Trace) -> None:
    x = torch.rand(4, 4, device="neuron")
    torch.linalg.qr(x)
    x.sort()
    x.relu()
    found = {fallback.name.partition("::")[2].partition(".")[0]: fallback for fallback in trace.summary().fallbacks}
    assert {"linalg_qr", "sort", "uniform_"} <= found.keys() and "relu" not in found
    assert found["linalg_qr"].sources == ("T-FB",) and found["linalg_qr"].evidence == "B"


def test_known_fallbacks_are_operators() -> None:
    names = {name.partition("::")[2].partition(".")[0] for name in torch._C._dispatch_get_all_op_names()}
    assert FALLBACKS.keys() <= names


def test_the_summary_is_plain_data(trace: Trace) -> None:
    torch.ones(1, device="neuron").sort()[0].item()
    plain = json.loads(json.dumps(trace.summary().to_dict()))
    assert {"operators", "transfers", "syncs", "fallbacks"} == plain.keys()
    assert all(plain[key] for key in ("operators", "syncs", "fallbacks"))
    trace.clear()
    assert not any(trace.summary().to_dict().values())


def test_an_operator_costs_next_to_nothing() -> None:
    """Two lookups: under 2 microseconds even on a busy machine; a walk up the stack would take more."""
    from time import process_time

    trace, dtypes = Trace(), (torch.float32, torch.float32)
    best = 1.0
    for _ in range(5):
        start = process_time()
        for _ in range(10_000):
            trace.operator("aten::mm", dtypes)
        best = min(best, process_time() - start)
    assert best / 10_000 < 2e-6, f"{best * 100:.2f} us, Python {sys.version}"
