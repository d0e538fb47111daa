"""What each policy for collectives does in a group of two, strict and off."""

from __future__ import annotations

import json
from collections.abc import Callable

import torch
import torch.distributed as dist

from porter.simulate import NeuronError, install

simulation = install()
dist.init_process_group("neuron")
rank = dist.get_rank()
numbers = torch.ones(3, device="neuron")
half = dist.new_group([0]), dist.new_group([1])


def send_and_receive() -> None:
    if rank == 0:
        dist.send(numbers, 1)
    else:
        dist.recv(numbers, 0)


def receive_from_any() -> None:
    """Only off, when the other one sends, does anything arrive."""
    if rank == 1:
        dist.recv(numbers)
    elif simulation.policies.mode("recv_any_source") == "off":
        dist.send(numbers, 1)
    else:
        dist.recv(numbers)


CASES: dict[str, Callable[[], object]] = {
    "integer_all_reduce": lambda: dist.all_reduce(torch.ones(2, dtype=torch.int64, device="neuron")),
    "reductions": lambda: dist.all_reduce(numbers, op=dist.ReduceOp.PRODUCT),
    "even_splits": lambda: dist.all_to_all_single(
        torch.empty(3, device="neuron"), numbers, [1 + rank, 2 - rank], [1 + rank, 2 - rank]
    ),
    "subgroup_barrier": lambda: dist.barrier(half[rank]),
    "replica_groups": lambda: dist.all_reduce(numbers),
    "send_recv": send_and_receive,
    "recv_any_source": receive_from_any,
}


def outcome(case: Callable[[], object]) -> dict[str, str] | None:
    try:
        case()
    except NeuronError as error:
        return {"policy": error.policy, "text": str(error)}
    return None


def main() -> None:
    found: dict[str, dict[str, dict[str, str] | None]] = {}
    for name, case in CASES.items():
        found[name] = {}
        for mode in ("strict", "off"):
            with simulation.policies.using(**{name: mode}):
                found[name][mode] = outcome(case)
    dist.destroy_process_group()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
