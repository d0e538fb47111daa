"""`torch.compile(backend="neuron")`: captured as a graph with its backward pass, then run operator by operator.

As with the vendor's backend there are no dynamic shapes: every new shape is a new graph. ``dynamic=True`` is rejected,
``mode=`` is logged and ignored, and the backend is chosen by itself on a machine with the device (D-COMP, D-HOWC).
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch

from porter.simulate.policies import Policies
from porter.simulate.simulation import BACKEND, Simulation

_LOG = logging.getLogger(__name__)


def register(simulation: Simulation) -> None:
    """Teach `torch.compile` the backend; TorchDynamo itself is imported when a program first compiles something."""
    original = torch.compile
    policies = simulation.policies

    @functools.cache
    def prepare() -> None:
        """Tell TorchDynamo the backend, and to keep out of the kernels: they are what it would call an operator."""
        from torch._dynamo import register_backend, trace_rules

        trace_rules.add("porter.simulate")
        register_backend(functools.partial(neuron, policies), name=BACKEND)

    @functools.wraps(original)
    def compile(
        model: Callable[..., Any] | None = None,
        *,
        dynamic: bool | None = None,
        backend: str | Callable[..., Any] | None = None,
        mode: str | None = None,
        **options: Any,
    ) -> Any:
        prepare()
        if backend not in (None, BACKEND):
            return original(model, dynamic=dynamic, backend=backend, mode=mode, **options)
        if dynamic:
            policies.refuse("dynamic_shapes", what="torch.compile(dynamic=True)")
        if mode not in (None, "default"):
            _LOG.warning("torch.compile(mode=%r) has no effect on Neuron: the default is used", mode)
        return original(model, dynamic=bool(dynamic), backend=BACKEND, **options)

    torch.compile = compile


def neuron(
    policies: Policies, graph: torch.fx.GraphModule, inputs: Sequence[Any], **options: Any
) -> Callable[..., Any]:
    """The backend: traces forward and backward ahead of time, and runs both on the device as they are.

    Raises NeuronError for a graph with dynamic shapes.
    """
    from torch._dynamo.backends.common import aot_autograd

    if any(isinstance(value, torch.SymInt) for value in inputs):
        policies.refuse("dynamic_shapes", what="a compiled function")
    compiled: Callable[..., Any] = aot_autograd(fw_compiler=_run)(graph, inputs)
    return compiled


def _run(graph: torch.fx.GraphModule, inputs: Sequence[Any]) -> Callable[..., Any]:
    from functorch.compile import make_boxed_func

    boxed: Callable[..., Any] = make_boxed_func(graph.forward)
    return boxed
