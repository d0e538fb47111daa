"""What Neuron refuses or does differently, as named policies that can be switched.

`table.py` holds the policies as data, `checks.py` says which operators they concern, `numerics.py` what the device
stores and multiplies. `Policies` puts them to work; it is the only name here that kernels and collectives need.
"""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from porter.simulate.errors import NeuronError
from porter.simulate.policies import numerics
from porter.simulate.policies.checks import CHECKS, Check
from porter.simulate.policies.model import CAST, OFF, STRICT, Policy
from porter.simulate.policies.table import POLICIES

__all__ = ["CAST", "OFF", "POLICIES", "STRICT", "Policies", "Policy"]


class Policies:
    """The policies of a simulation, with the mode of each.

    Kernels call, in this order: `check` before the operator runs; `rounded` and `round` for the operands of matrix
    products; `kept` and `keep` for every tensor that the operator wrote. The tables are attributes, so that the test on
    the hot path is a lookup: `if name in policies.rounded`, `if tensor.dtype in policies.kept`.
    """

    rounded: frozenset[str]
    """Operators whose floating-point operands are rounded to bfloat16 (--auto-cast matmult)."""
    kept: Mapping[torch.dtype, str]
    """Data types that the device does not keep as they are, with the policy that says so."""

    def __init__(self, modes: Mapping[str, str] | None = None, *, auto_cast: str = "none") -> None:
        """Start from the defaults, what NEURON_CC_FLAGS changes, and ``modes``.

        Raises ValueError for a policy or mode that does not exist.
        """
        self.rounded = numerics.products(auto_cast)
        self._modes = {policy.name: policy.default for policy in POLICIES.values()}
        self.set(**by_compiler_flags(os.environ.get("NEURON_CC_FLAGS", "")) | dict(modes or {}))

    def mode(self, name: str) -> str:
        """The mode of a policy; raises ValueError for an unknown one."""
        return self._modes[_policy(name).name]

    def set(self, **modes: str) -> None:
        """Switch policies; all or none: raises ValueError for an unknown policy or mode."""
        for name, mode in modes.items():
            if mode not in _policy(name).modes:
                raise ValueError(f"policy {name} has no mode {mode!r}: choose from {', '.join(POLICIES[name].modes)}")
        self._modes.update(modes)
        self._checks: dict[str, list[tuple[str, Check]]] = {}
        for operator, checks in CHECKS.items():
            if strict := [check for check in checks if self._modes[check[0]] == STRICT]:
                self._checks[operator] = strict
        self.kept = {dtype: name for dtype, name in numerics.KEPT.items() if self._modes[name] != OFF}

    @contextmanager
    def using(self, **modes: str) -> Iterator[None]:
        """Switch policies for a while."""
        before = dict(self._modes)
        self.set(**modes)
        try:
            yield
        finally:
            self.set(**before)

    def refuse(self, name: str, **facts: object) -> None:
        """Raise NeuronError with the policy's message for these facts, if its mode is strict."""
        if self.mode(name) == STRICT:
            policy = POLICIES[name]
            raise NeuronError(policy.text(**facts), policy=name, source=", ".join(policy.sources))

    def check(
        self, name: str, schema: Any, tensors: Sequence[torch.Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        """Raise NeuronError if the device would refuse this call.

        ``name`` is the operator's with its overload (`aten::mm`, `aten::add.Tensor`), ``tensors`` are the device's
        among its arguments, in their order.
        """
        checks = self._checks.get(name)
        if checks is None:
            return
        for policy, check in checks:
            if (facts := check(name, schema, tensors, args, kwargs)) is not None:
                self.refuse(policy, **facts)

    def keep(self, operator: str, host: torch.Tensor) -> None:
        """Make what an operator wrote what the device would have kept; ``host`` is the CPU alias of the result.

        Raises NeuronError where the device has no such data type.
        """
        policy = self.kept[host.dtype]
        self.refuse(policy, operator=operator, dtype=str(host.dtype).removeprefix("torch."))
        if self._modes[policy] == CAST:
            numerics.narrow(host)

    def round(self, operands: Sequence[Any]) -> list[Any]:
        """Operands (CPU tensors, or anything else) of a matrix product as the engine would take them."""
        return [numerics.as_bfloat16(value) if isinstance(value, torch.Tensor) else value for value in operands]


def by_compiler_flags(flags: str) -> dict[str, str]:
    """The modes that flags of the compiler stand for, as in NEURON_CC_FLAGS: `--name=value[,value]`, `--name value`."""
    given: set[str] = set()
    words = shlex.split(flags)
    for word, following in zip(words, [*words[1:], "--"], strict=False):
        option, _, values = word.partition("=")
        if not values and not following.startswith("--"):
            values = following
        given |= {option, *(f"{option}={value}" for value in values.split(","))}
    return {policy.name: mode for policy in POLICIES.values() for option, mode in policy.options if option in given}


def _policy(name: str) -> Policy:
    try:
        return POLICIES[name]
    except KeyError:
        close = difflib.get_close_matches(name, POLICIES, n=1)
        hint = f"; did you mean {close[0]}?" if close else f": choose from {', '.join(POLICIES)}"
        raise ValueError(f"there is no policy {name}{hint}") from None
