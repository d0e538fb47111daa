"""What a target is: how it spells a device, a runtime call and a process group."""

from __future__ import annotations

import msgspec


class Target(msgspec.Struct, frozen=True):
    """One place to port to."""

    name: str
    device: str  # device type: neuron
    runtime: str  # module that replaces torch.cuda: torch.neuron
    backend: str  # process group backend: neuron
    compiler: str  # torch.compile backend
    versions: str  # what the catalogue's answers hold for
    torch: tuple[str, ...]  # releases of PyTorch that it runs with
    current: str = ""  # the process's device as an expression, where one that is no string will do
    title: str = "Neuron"  # what texts for people call its device
    keeps_cuda: bool = False  # whether CUDA stays among the devices that the program runs on
    numbered: bool = True  # whether programs write the number of a device: cuda:0
    loads: bool = True  # whether `torch.load` can put tensors on it
    backend_module: str = ""  # to be imported for its process group backend
    module: str = ""  # to be imported wherever the device is named; torch_neuronx comes with torch by itself
    edits: bool = True  # whether porter rewrites for it
    definitions: dict[str, str] = {}  # names that edits may use, and the expressions that a file defines them by
