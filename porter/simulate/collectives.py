"""Process group `neuron`: gloo, working on the memory of the device's tensors.

Every operator of `c10d` gets a kernel for the device. It lets the policies judge the call, then runs the same operator
on CPU aliases in a *host group*, which holds the same gloo backend for CPU: the user's group itself serves the device
only, as the vendor's does.
"""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.distributed as dist
from torch._C import _distributed_c10d
from torch.distributed.distributed_c10d import ProcessGroup, ProcessGroupGloo, _world
from torch.utils._pytree import tree_leaves, tree_map_only

from porter.simulate.alias import to_host
from porter.simulate.policies.collectives import Call, violations
from porter.simulate.runtime import VISIBLE_CORES
from porter.simulate.simulation import BACKEND, Simulation

_work_of: Any = vars(_distributed_c10d)["_create_work_from_future"]  # which PyTorch's stubs lack
_CPU = torch.device("cpu")
_FLAT = frozenset(
    {
        "_allgather_base_",
        "allgather_into_tensor_coalesced_",
        "_reduce_scatter_base_",
        "reduce_scatter_tensor_coalesced_",
    }
)
"""Collectives that go by the number of elements on accelerators (SyncBatchNorm counts on it), by shapes in gloo."""


def register(simulation: Simulation) -> None:
    """Make `neuron` a backend of torch.distributed, the default one for the device."""
    groups = Groups(simulation)
    dist.Backend.register_backend(BACKEND, groups.create, extended_api=True, devices=[BACKEND])
    with warnings.catch_warnings():  # PyTorch has kernels that pass the tensors on to the backend, as they are
        warnings.simplefilter("ignore")
        for name in torch._C._dispatch_get_all_op_names():
            namespace, _, operator = name.partition("::")
            if namespace == "c10d" and operator != "check_for_nan":
                simulation.implement(name, _kernel(simulation, groups, operator))


class Gloo(ProcessGroupGloo):
    """gloo, but for what Neuron cannot do: be split (TFM-DU). PyTorch asks, and refuses where it would have to."""

    supports_splitting = False


class Groups:
    """The process groups on the device: makes them, and knows the host group of each."""

    def __init__(self, simulation: Simulation) -> None:
        self._runtime = simulation.runtime
        self._policies = simulation.policies
        self._device = torch.device(BACKEND)
        self._hosts: WeakKeyDictionary[ProcessGroup, ProcessGroup] = WeakKeyDictionary()
        self._backends: dict[str, Gloo] = {}  # or PyTorch would hand them out as what they are in C++: plain gloo

    def create(self, options: Any, _: Any) -> Gloo:
        """The backend of a new group; the first one puts this process on its core."""
        store, rank, size = options.store, options.group_rank, options.group_size
        if self._runtime.rank is None:
            self._join(store, rank, size)
        known = set(_world.pg_names.values())
        self._backends = {name: backend for name, backend in self._backends.items() if name in known}
        return self._backends.setdefault(options.group_id, Gloo(store, rank, size, timeout=options.timeout))

    def _join(self, store: Any, rank: int, size: int) -> None:
        """Take the core that LOCAL_RANK says; without it, count the processes on hosts of this name."""
        given = [os.environ.get(name, "") for name in ("LOCAL_RANK", "LOCAL_WORLD_SIZE")]
        if all(given):
            local_rank, local_size = map(int, given)
        else:
            host = socket.gethostname()
            store.set(f"host of {rank}", host)
            here = [other for other in range(size) if store.get(f"host of {other}").decode() == host]
            local_rank, local_size = here.index(rank), len(here)
        if os.environ.get(VISIBLE_CORES) and self._runtime.count() != 1:
            self._policies.refuse("one_device_per_process")
        self._runtime.join(local_rank, local_size)
        os.environ.setdefault(VISIBLE_CORES, str(local_rank))
        self._runtime.initialise()

    def host(self, group: ProcessGroup) -> ProcessGroup:
        """A group of the same processes with the same backend, for CPU tensors."""
        if (host := self._hosts.get(group)) is None:
            host = ProcessGroup(dist.HashStore(), group.rank(), group.size())
            host._register_backend(_CPU, ProcessGroup.BackendType.GLOO, group._get_backend(self._device))
            self._hosts[group] = host
        return host


def _kernel(simulation: Simulation, groups: Groups, name: str) -> Callable[..., Any]:
    """The kernel of one operator of c10d for the device."""
    operator = getattr(torch.ops.c10d, name).default
    parameters = [argument.name for argument in operator._schema.arguments]
    returns = len(operator._schema.returns)
    alias = _flat if name in _FLAT else to_host
    policies, runtime, record = simulation.policies, simulation.runtime, simulation.trace.operator

    def kernel(*args: Any) -> Any:
        if not runtime.live:
            runtime.initialise()
        arguments = dict(zip(parameters, args, strict=False))
        group = ProcessGroup.unbox(arguments["process_group"])
        tensors = [leaf for leaf in tree_leaves(args) if isinstance(leaf, torch.Tensor)]
        for policy, facts in violations(Call(name, group, arguments, tensors)):
            policies.refuse(policy, **facts)
        record(f"c10d::{name}", tuple(dict.fromkeys(tensor.dtype for tensor in tensors)))
        host = tree_map_only(torch.Tensor, alias, arguments)
        host["process_group"] = groups.host(group).boxed()
        result = operator(*host.values())
        if returns < 2:  # a Work or nothing
            return result
        return args[0], _on_device(result[1], args[0]) if name == "allreduce_" else result[1]

    return kernel


def _flat(tensor: torch.Tensor) -> torch.Tensor:
    host = to_host(tensor)
    return host.view(-1) if host.is_contiguous() else host


def _on_device(work: Any, tensors: list[torch.Tensor]) -> Any:
    """The Work of an all-reduce, with the device's tensors as the value of its future.

    DistributedDataParallel makes the gradients from that value. It calls from within autograd; anywhere else gloo's
    Work is the better one: a future's Work knows no time limit, and does not raise in `wait`.
    """
    if torch._C._current_graph_task_id() == -1:
        return work
    future = _distributed_c10d.Work.unbox(work).get_future()
    return _work_of(future.then(lambda done: (done.value(), tensors)[1])).boxed()
