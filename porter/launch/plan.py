"""What ``porter run`` decided, handed to the program's process and to those that it starts, by the environment."""

from __future__ import annotations

import os

import msgspec

VARIABLE = "PORTER_RUN"


class Plan(msgspec.Struct, frozen=True):
    """How a program runs.

    ``pid`` is the process of the program itself: the same before and after porter has made way for it. ``folder``, once
    that process has imported torch, is where the processes that it starts leave what they did for its report.
    """

    pid: int
    simulated: bool
    about: str  # the device in words: "the simulated Neuron device", "torch_neuronx 2.14.3.0"
    why: str  # and why it is that one
    here: str  # the working directory; paths are shown relative to it
    cores: int = 2
    policies: dict[str, str] = {}  # name -> mode, as given
    auto_cast: str = "none"
    trace: str = "text"  # text, json or none
    trace_file: str | None = None  # absolute; `{rank}` stands for the rank
    color: bool = False
    columns: int = 100
    quiet: bool = False
    verbose: bool = False
    folder: str = ""

    def publish(self) -> None:
        """Hand the plan to this process and to all that it will start."""
        os.environ[VARIABLE] = msgspec.json.encode(self).decode()


def current() -> Plan | None:
    """The plan that this process runs under; None outside of ``porter run``."""
    text = os.environ.get(VARIABLE)
    return msgspec.json.decode(text, type=Plan) if text else None
