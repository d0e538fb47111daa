"""Which collectives each policy concerns, and how a call is judged: as in `checks.py`, for operators of c10d."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from porter.simulate.policies.checks import WIDE, Facts

REDUCTIONS = ("SUM", "AVG", "MIN", "MAX")
_NAMES = {int(value): name for name, value in dist.ReduceOp.RedOpType.__members__.items()}


@dataclass(frozen=True)
class Call:
    """One collective: operator (`allreduce_`), process group, arguments by name, and all tensors among them."""

    name: str
    group: dist.ProcessGroup
    arguments: Mapping[str, Any]
    tensors: Sequence[torch.Tensor]


def violations(call: Call) -> Iterator[tuple[str, Facts]]:
    """The policies that the call would violate, with the facts for their messages."""
    for policy, check in _CHECKS.get(call.name, ()):
        if (facts := check(call)) is not None:
            yield policy, facts


def _integers(call: Call) -> Facts | None:
    """Not where autograd runs: DistributedDataParallel counts its unused parameters in int32 there."""
    if call.tensors[0].dtype not in WIDE or torch._C._current_graph_task_id() != -1:
        return None
    return {"collective": "ReduceScatter" if "scatter" in call.name else "AllReduce"}


def _reduction(call: Call) -> Facts | None:
    name = _NAMES[call.arguments["reduce_op"].op()]
    if name in REDUCTIONS or name == "PREMUL_SUM":  # which the backend makes a SUM of
        return None
    return {"operation": name, "supported": list(REDUCTIONS)}


def _uneven_sizes(call: Call) -> Facts | None:
    for which in ("output", "input"):
        sizes = call.arguments[f"{which}_split_sizes"]
        if len(set(sizes)) > 1:
            return {"which": which, "sizes": list(sizes)}
    return None


def _uneven_tensors(call: Call) -> Facts | None:
    for which in ("output", "input"):
        sizes = [tensor.numel() for tensor in call.arguments[f"{which}_tensors"]]
        if len(set(sizes)) > 1:
            return {"which": which, "sizes": sizes}
    return None


def _subgroup(call: Call) -> Facts | None:
    return {"group": call.group} if call.group.size() != dist.get_world_size() else None


def _replicas(call: Call) -> Facts | None:
    size = call.group.size()
    return None if size in (4, 8, 16) or size % 32 == 0 else {"size": size}


def _always(_: Call) -> Facts:
    return {}


_REDUCING = (
    "allreduce_ allreduce_coalesced_ reduce_ reduce_scatter_ _reduce_scatter_base_ reduce_scatter_tensor_coalesced_"
)
_GROUPED = (
    f"{_REDUCING} broadcast_ allgather_ allgather_coalesced_ allgather_into_tensor_coalesced_ _allgather_base_ gather_ "
    "scatter_ alltoall_ alltoall_base_"
)

_CHECKS: dict[str, tuple[tuple[str, Callable[[Call], Facts | None]], ...]] = {}
for _policy, _check, _names in (
    ("integer_all_reduce", _integers, _REDUCING),
    ("reductions", _reduction, _REDUCING),
    ("even_splits", _uneven_sizes, "alltoall_base_"),
    ("even_splits", _uneven_tensors, "alltoall_"),
    ("subgroup_barrier", _subgroup, "barrier"),
    ("send_recv", _always, "send recv_ recv_any_source_"),
    ("recv_any_source", _always, "recv_any_source_"),
    ("replica_groups", _replicas, _GROUPED),
):
    for _name in _names.split():
        _CHECKS[_name] = (*_CHECKS.get(_name, ()), (_policy, _check))
