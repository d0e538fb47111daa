"""What torch.distributed offers, in a group of two, on the device or on CPU; what the device refuses besides."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed._functional_collectives as functional

from porter.simulate import install

DEVICE = sys.argv[1]
if DEVICE == "neuron":
    simulation = install()
dist.init_process_group("neuron" if DEVICE == "neuron" else "gloo")
rank = dist.get_rank()
other = 1 - rank


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values).to(DEVICE)


def broadcast() -> Any:
    value = tensor(rank + 1.0)
    dist.broadcast(value, 1)
    return value


def all_reduce(operation: Any = dist.ReduceOp.SUM) -> Any:
    value = tensor(rank + 1.0, rank * 3.0)
    dist.all_reduce(value, op=operation)
    return value


def all_reduce_later() -> Any:
    value = tensor(rank + 1.0)
    work = dist.all_reduce(value, async_op=True)
    assert work is not None and work.wait(timedelta(seconds=30)) and work.is_completed()
    return value


def coalesced() -> Any:
    values = [tensor(1.0), tensor(2.0)]
    dist.all_reduce_coalesced(values)
    with dist._coalescing_manager():
        for value in values:
            dist.all_reduce(value)
    return values


def reduce() -> Any:
    value = tensor(rank + 1.0)
    dist.reduce(value, 0)
    return value if rank == 0 else None


def all_gather() -> Any:
    values = [tensor(0.0), tensor(0.0)]
    dist.all_gather(values, tensor(float(rank)))
    return values


def all_gather_single() -> Any:
    value = tensor(0.0, 0.0)
    dist.all_gather_into_tensor(value, tensor(float(rank)))
    return value


def gather() -> Any:
    values = [tensor(0.0), tensor(0.0)] if rank == 0 else None
    dist.gather(tensor(float(rank)), values, 0)
    return values


def scatter() -> Any:
    value = tensor(0.0)
    dist.scatter(value, [tensor(5.0), tensor(6.0)] if rank == 0 else None, 0)
    return value


def reduce_scatter() -> Any:
    value = tensor(0.0)
    dist.reduce_scatter(value, [tensor(1.0), tensor(rank + 2.0)])
    return value


def reduce_scatter_single() -> Any:
    value = tensor(0.0)
    dist.reduce_scatter_tensor(value, tensor(1.0, rank + 2.0))
    return value


def all_to_all() -> Any:
    values = [tensor(0.0), tensor(0.0)]
    dist.all_to_all(values, [tensor(10.0 * rank), tensor(10.0 * rank + 1)])
    return values


def all_to_all_single() -> Any:
    value = tensor(0.0, 0.0, 0.0, 0.0)
    dist.all_to_all_single(value, torch.arange(4.0).to(DEVICE) + 10 * rank, [2, 2], [2, 2])
    return value


def send_and_receive() -> Any:
    value = tensor(0.0)
    if rank == 0:
        dist.send(tensor(7.0), 1)
        dist.recv(value, 1)
    else:
        dist.recv(value, 0)
        dist.send(tensor(8.0), 0)
    return value


def exchange() -> Any:
    value = tensor(0.0)
    for work in dist.batch_isend_irecv(
        [dist.P2POp(dist.isend, tensor(float(rank)), other), dist.P2POp(dist.irecv, value, other)]
    ):
        work.wait()
    return value


def objects() -> Any:
    everywhere: list[Any] = [None, None]
    dist.all_gather_object(everywhere, {"rank": rank, "text": "x" * rank})
    one: list[Any] = [{"from": rank}]
    dist.broadcast_object_list(one, 1)
    first: list[Any] | None = [None, None] if rank == 0 else None
    dist.gather_object(rank, first, 0)
    mine: list[Any] = [None]
    dist.scatter_object_list(mine, ["a", "b"] if rank == 0 else None, 0)
    return everywhere, one, first, mine


def subgroups() -> Any:
    value = tensor(rank + 1.0)
    groups = [dist.new_group([0]), dist.new_group([1]), dist.new_group([0, 1])]
    dist.all_reduce(value, group=groups[rank])
    dist.all_reduce(value, group=groups[2])
    dist.destroy_process_group(groups[2])
    return value


def as_functions() -> Any:
    world = dist.group.WORLD
    results = [
        functional.all_reduce(tensor(1.0), "sum", world),
        functional.all_gather_single(tensor(float(rank)), 0, world),
        functional.reduce_scatter_single(tensor(1.0, 2.0), "avg", 0, world),
        functional.all_to_all_single(tensor(float(rank), 2.0), None, None, world),
        functional.broadcast(tensor(float(rank)), 1, world),
    ]
    return [functional.wait_tensor(result) for result in results]


CASES: dict[str, Callable[[], Any]] = {
    **{
        case.__name__: case
        for case in (
            broadcast,
            all_reduce,
            all_reduce_later,
            coalesced,
            reduce,
            all_gather,
            all_gather_single,
            gather,
            scatter,
            reduce_scatter,
            reduce_scatter_single,
            all_to_all,
            all_to_all_single,
            send_and_receive,
            exchange,
            objects,
            subgroups,
            as_functions,
        )
    },
    **{
        f"all_reduce {name}": lambda name=name: all_reduce(getattr(dist.ReduceOp, name))
        for name in ("MIN", "MAX", "AVG")
    },
}


def plain(value: Any) -> Any:
    """As JSON; a tensor must be where the work was done."""
    if isinstance(value, torch.Tensor):
        assert value.device == torch.device(DEVICE, rank if DEVICE == "neuron" else None), value.device
        return value.tolist()
    return [plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def refused(action: Callable[[], object]) -> str:
    try:
        action()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def too_late() -> None:
    """A group whose other member does not come in time."""
    group = dist.new_group([0, 1], timeout=timedelta(seconds=1))
    try:
        if rank == 0:
            dist.all_reduce(tensor(1.0), group=group)
    finally:
        dist.barrier()


def main() -> None:
    found: dict[str, Any] = {name: plain(case()) for name, case in CASES.items()}
    dist.barrier()
    if DEVICE == "neuron":
        dist.barrier(device_ids=[rank])
        found["facts"] = {
            "backend": dist.get_backend(),
            "default": dist.get_default_backend_for_device("neuron"),
            "available": dist.is_backend_available("neuron"),
            "current": torch.neuron.current_device(),
            "count": torch.neuron.device_count(),
            "visible": os.environ["NEURON_RT_VISIBLE_CORES"],
            "where": [str(torch.ones(1, device="neuron").device), str(torch.ones(1).to("neuron").device)],
            "operators": sorted(
                {operator.name for operator in simulation.trace.summary().operators if "c10d" in operator.name}
            ),
        }
        found["refused"] = {
            "cpu": refused(lambda: dist.all_reduce(torch.ones(1))),
            "index": refused(lambda: torch.ones(1, device=f"neuron:{other + 2}")),
            "monitored_barrier": refused(dist.monitored_barrier),
            "shape": refused(lambda: dist.all_gather_into_tensor(tensor(0.0), tensor(1.0))),
            "late": refused(too_late),
        }
    dist.destroy_process_group()
    if DEVICE == "neuron":
        where = torch.device("neuron", rank)  # again, by default, and bound to a device
        dist.init_process_group(init_method=f"file://{sys.argv[2]}", rank=rank, world_size=2, device_id=where)
        found["again"] = plain(all_reduce())
        dist.new_group([0])
        found["refused"]["split"] = refused(lambda: dist.init_device_mesh("neuron", (2, 1)))
        dist.destroy_process_group()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
