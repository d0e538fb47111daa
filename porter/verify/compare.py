"""The port's numbers against the oracle's, each in relation to the scale that matters for it.

| kind | difference in relation to |
|---|---|
| loss | the loss at that step; where it has all but vanished, a thousandth of the largest |
| output | the largest magnitude in the tensor |
| gradient | the largest magnitude in the tensor, but not less than 1/64 of the largest in all gradients of the model |
| update | the way that a parameter or buffer has gone since the start (Euclidean norms, without chance's elements) |

What is a thousand times smaller than the model's gradients and yet wrong is found; what is nothing but their rounding
noise (the gradient of a bias before a normalisation) is not taken for an error. Parameters are judged by their updates
because their values hardly change in a few steps: a port whose optimizer does nothing would pass by value. Elements
whose gradient is rounding noise go where chance takes them under optimizers like Adam, and are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch

from porter.verify.outcome import Measure

State = Mapping[str, torch.Tensor]

TOLERANCES: Mapping[str, Mapping[str, float]] = {
    "float32": {"loss": 1e-5, "output": 1e-5, "gradient": 1e-4, "update": 1e-3, "cosine": 1e-6},
    "bfloat16": {"loss": 1e-2, "output": 3e-2, "gradient": 5e-2, "update": 2e-1, "cosine": 1e-3},
    "float16": {"loss": 2e-3, "output": 5e-3, "gradient": 1e-2, "update": 1e-1, "cosine": 1e-4},
}
NOISE = {"float32": 1e-6, "bfloat16": 2e-3, "float16": 5e-4}  # of the model's gradients: below, a gradient is rounding
NOT_TOLD = "not compared: its gradient is rounding noise"
GRADIENT_FLOOR = 1 / 64
LOSS_FLOOR = 1e-3
ROUNDING = 32  # units in the last place of a parameter that an update may be off
PORTED_DTYPES = {("torch.float16", "torch.bfloat16")}  # what porter itself writes (PRT305)


class Results(NamedTuple):
    """What a run of a case recorded."""

    state: Mapping[str, Any]  # the model's own state: name to [dtype, shape]
    losses: Mapping[str, list[float]]
    initial: State
    outputs: State
    gradients: State
    final: State


def compare(
    oracle: Results, port: Results, precision: str, tolerance: Mapping[str, float]
) -> tuple[list[Measure], list[str]]:
    """Measures for everything that the oracle has, and warnings. ``tolerance`` overrides that of ``precision``."""
    limits = {**TOLERANCES[precision], **tolerance}
    measures = list(_state(oracle.state, port.state))
    if not all(measure.passed for measure in measures):
        return measures, []
    measures += _losses(oracle.losses, port.losses, limits)
    measures += _tensors("output", oracle.outputs, port.outputs, limits, _largest)
    scale = max((_largest(value) for value in oracle.gradients.values()), default=0.0)
    floor = GRADIENT_FLOOR * scale
    measures += _tensors("gradient", oracle.gradients, port.gradients, limits, lambda t: max(_largest(t), floor))
    updates = list(_updates(oracle, port, limits, NOISE[precision] * scale))
    return measures + updates, list(_doubts(oracle, updates))


def _state(oracle: Mapping[str, Any], port: Mapping[str, Any]) -> Iterator[Measure]:
    """The names, dtypes and shapes of the state dictionary."""
    same = 0
    for name in [*oracle, *(name for name in port if name not in oracle)]:
        if name not in port:
            note = "missing in the port's state dict"
        elif name not in oracle:
            note = "only in the port's state dict"
        elif oracle[name][1] != port[name][1]:
            note = f"shape {tuple(port[name][1])} in the port, {tuple(oracle[name][1])} in the original"
        elif oracle[name][0] != port[name][0]:
            note = f"{port[name][0]} in the port, {oracle[name][0]} in the original"
            if (oracle[name][0], port[name][0]) in PORTED_DTYPES:
                yield Measure("state", name, passed=True, note=note)
                continue
        else:
            same += 1
            continue
        yield Measure("state", name, passed=False, note=note)
    if same:
        yield Measure("state", "*", passed=True, note=f"{same} tensors of the same name, shape and dtype")


def _losses(
    oracle: Mapping[str, list[float]], port: Mapping[str, list[float]], limits: Mapping[str, float]
) -> Iterator[Measure]:
    for name, expected in oracle.items():
        found = port.get(name)
        if found is None or len(found) != len(expected):
            note = f"{len(found or ())} values in the port, {len(expected)} in the original"
            yield Measure("loss", name, passed=False, note=note)
            continue
        floor = LOSS_FLOOR * max((abs(value) for value in expected if math.isfinite(value)), default=0.0)
        differences = [_difference(a, b, max(abs(a), floor)) for a, b in zip(expected, found, strict=True)]
        worst = max(differences, default=0.0)
        note = f"largest at step {differences.index(worst) + 1} of {len(differences)}" if differences else ""
        yield Measure("loss", name, worst <= limits["loss"], worst, limits["loss"], note=note)
    for name in port.keys() - oracle.keys():
        yield Measure("loss", name, passed=False, note="only in the port")


def _difference(a: float, b: float, scale: float) -> float:
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    difference = abs(a - b) / scale if scale else math.inf
    return difference if math.isfinite(difference) else math.inf


def _tensors(kind: str, oracle: State, port: State, limits: Mapping[str, float], scale: Any) -> Iterator[Measure]:
    for name, expected in oracle.items():
        found = port.get(name)
        if found is None or found.shape != expected.shape:
            note = (
                "missing in the port" if found is None else f"shape {tuple(found.shape)}, not {tuple(expected.shape)}"
            )
            yield Measure(kind, name, passed=False, note=note)
        elif found.dtype != expected.dtype and (str(expected.dtype), str(found.dtype)) not in PORTED_DTYPES:
            yield Measure(kind, name, passed=False, note=f"{found.dtype} in the port, {expected.dtype} in the original")
        elif not (expected.is_floating_point() or expected.is_complex()):
            yield _exact(kind, name, expected, found)
        else:
            yield _near(kind, name, _double(expected), _double(found), scale(expected), limits)
    for name in port.keys() - oracle.keys():
        yield Measure(kind, name, passed=False, note="only in the port")


def _near(
    kind: str, name: str, expected: torch.Tensor, found: torch.Tensor, scale: float, limits: Mapping[str, float]
) -> Measure:
    """Of what is small beside its scale, the angle says nothing: it may be that of rounding noise."""
    maximum = _scaled(_apart(expected, found), scale)
    cosine = one_minus_cosine(expected, found) if _largest(expected) >= scale else None
    passed = maximum <= limits[kind] and (cosine or 0.0) <= limits["cosine"]
    return Measure(kind, name, passed, maximum, limits[kind], cosine, None if cosine is None else limits["cosine"])


def _exact(kind: str, name: str, expected: torch.Tensor, found: torch.Tensor) -> Measure:
    differing = int((expected != found).sum())
    share = differing / max(expected.numel(), 1)
    note = f"{differing} of {expected.numel()} differ" if differing else ""
    return Measure(kind, name, not differing, share, 0.0, note=note)


def _updates(oracle: Results, port: Results, limits: Mapping[str, float], noise: float) -> Iterator[Measure]:
    """Elements whose gradient is not more than ``noise`` are left out: an optimizer like Adam makes much of chance."""
    limit = limits["update"]
    for name, expected in oracle.final.items():
        found, start = port.final.get(name), oracle.initial[name]
        if found is None or found.shape != expected.shape:
            yield Measure("update", name, passed=False, note="missing in the port")
        elif not (expected.is_floating_point() or expected.is_complex()):
            yield _exact("update", name, expected, found)
        else:
            told = _told(expected, oracle.gradients.get(name), noise)
            a, b, origin = (_double(tensor)[told] for tensor in (expected, found, start))
            if not a.numel() and expected.numel():
                yield Measure("update", name, passed=True, note=NOT_TOLD)
                continue
            rounding = ROUNDING * torch.finfo(expected.dtype).eps * float(a.norm())
            scale = max(float((a - origin).norm()), rounding)
            maximum = _scaled(float(_apart_each(a, b).norm()), scale)
            yield Measure("update", name, maximum <= limit, maximum, limit)


def _told(expected: torch.Tensor, gradient: torch.Tensor | None, noise: float) -> torch.Tensor:
    """Where the gradient says which way a parameter goes: it is zero, or more than rounding."""
    if gradient is None or gradient.shape != expected.shape:
        return torch.ones(expected.shape, dtype=torch.bool)
    magnitude = gradient.abs().double()
    return (magnitude == 0) | ~(magnitude <= noise)


def _double(tensor: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(tensor.resolve_conj()).double() if tensor.is_complex() else tensor.double()


def _largest(tensor: torch.Tensor) -> float:
    """The largest finite magnitude."""
    if not tensor.numel():
        return 0.0
    magnitudes = _double(tensor).abs()
    return float(torch.where(magnitudes.isfinite(), magnitudes, 0.0).max())


def _apart_each(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The differences; none where both are infinite or not a number, infinite where only one is."""
    same = (a == b) | (a.isnan() & b.isnan())
    return torch.where(same, 0.0, (a - b).abs()).nan_to_num(nan=math.inf, posinf=math.inf)


def _apart(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(_apart_each(a, b).max()) if a.numel() else 0.0


def deviation(a: torch.Tensor, b: torch.Tensor) -> float:
    """The largest difference between two tensors of one shape, in relation to the largest magnitude in ``a``."""
    return _scaled(_apart(_double(a), _double(b)), _largest(a))


def _scaled(difference: float, scale: float) -> float:
    if not difference:
        return 0.0
    return difference / scale if scale else math.inf


def one_minus_cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    """1 - cos of the angle between two tensors of float64, over what is finite in both; 0 where one of them is zero."""
    finite = a.isfinite() & b.isfinite()
    a, b = torch.where(finite, a, 0.0).flatten(), torch.where(finite, b, 0.0).flatten()
    lengths = float(a.norm()) * float(b.norm())
    return max(0.0, 1.0 - float(a @ b) / lengths) if lengths else 0.0


def _doubts(oracle: Results, updates: list[Measure]) -> Iterator[str]:
    for role, values in (("outputs", oracle.outputs), ("gradients", oracle.gradients)):
        if values and not any(_largest(value) for value in values.values()):
            yield f"all {role} of the oracle are zero: their comparison says nothing"
    for name, series in oracle.losses.items():
        if not all(map(math.isfinite, series)):
            yield f"the oracle's {name} is not finite"
        elif len(series) > 1 and len(set(series)) == 1:
            yield f"the oracle's {name} is the same at every step: nothing is trained"
    if untold := sum(measure.note == NOT_TOLD for measure in updates):
        yield f"updates of {untold} of {len(updates)} parameters are not compared: their gradients are rounding noise"
