"""What one process did on the device, as data: for its own report, for a file, or for the process that started it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

import porter
from porter.launch.asked import Ask
from porter.simulate.trace import Fallback, Operator, TraceSummary

if TYPE_CHECKING:
    from porter.launch.plan import Plan

VERSION = 1  # of the JSON form
DISCLAIMER = "The simulated device shows what PyTorch dispatches, not what Neuron's compiler accepts."


class Record(msgspec.Struct, kw_only=True):
    """What a process did. ``rank`` and ``ranks`` are those of its process group; None where it has been in none."""

    version: int = VERSION
    porter: str = porter.__version__
    torch: str
    device: str
    simulated: bool
    pid: int
    rank: int | None
    ranks: int | None
    trace: TraceSummary
    asked: list[Ask]
    note: str = ""

    @property
    def operators(self) -> int:
        """How many operators ran."""
        return sum(operator.count for operator in self.trace.operators)

    @property
    def used(self) -> bool:
        """Whether anything happened on the device."""
        return bool(self.trace.operators or self.trace.transfers)

    def write(self, file: Path) -> None:
        """Leave it for `gather`. Raises OSError."""
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".part")  # the reader takes what is there
        unfinished.write_bytes(msgspec.json.encode(self))
        unfinished.replace(file)


def take(plan: Plan, asked: list[Ask]) -> Record:
    """What this process has done so far."""
    import torch

    return Record(
        torch=str(torch.__version__),
        device=plan.about,
        simulated=plan.simulated,
        pid=os.getpid(),
        rank=rank(),
        ranks=_number("WORLD_SIZE"),
        trace=_simulated() if plan.simulated else _reported(),
        asked=asked,
        note=DISCLAIMER if plan.simulated else "",
    )


def gather(folder: Path) -> list[Record]:
    """What other processes have left in ``folder``: a process group by rank, then others, the busiest first."""
    found = [msgspec.json.decode(file.read_bytes(), type=Record) for file in folder.glob("*.json")]
    return sorted(found, key=lambda record: (record.rank is None, record.rank or 0, -record.operators, record.pid))


def rank() -> int | None:
    """The rank of this process: as a launcher says, or as it took part in a process group on the device."""
    if (given := _number("RANK")) is not None:
        return given
    from porter import simulate

    simulation = simulate.active()
    return simulation.runtime.rank if simulation else None


def _number(variable: str) -> int | None:
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() else None


def _simulated() -> TraceSummary:
    from porter import simulate

    simulation = simulate.active()
    return simulation.trace.summary() if simulation else TraceSummary([], [], [], [])


def _reported() -> TraceSummary:
    """What torch_neuronx keeps count of itself: operators, and those that it ran on CPU."""
    import torch_neuronx  # type: ignore[import-not-found]

    executed = _counts(getattr(torch_neuronx, "get_executed_ops", tuple)())
    fallen = _counts(getattr(torch_neuronx, "get_fallback_ops", tuple)())
    return TraceSummary(
        operators=[Operator(name, (), count) for name, count in executed.items()],
        transfers=[],
        syncs=[],
        fallbacks=[
            Fallback(name, count, "reported by torch_neuronx", ("torch_neuronx",), "A")
            for name, count in fallen.items()
        ],
    )


def _counts(names: Iterable[str] | Mapping[str, int]) -> dict[str, int]:
    """Names with their counts; once each where no count is told."""
    return dict(names) if isinstance(names, Mapping) else dict.fromkeys(map(str, names), 1)
