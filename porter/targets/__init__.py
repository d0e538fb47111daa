"""The targets by name."""

from __future__ import annotations

from porter.targets.base import Target

TARGETS = {
    "neuron": Target(
        name="neuron",
        device="neuron",
        runtime="torch.neuron",
        backend="neuron",
        compiler="neuron",
        versions="native TorchNeuron, torch-neuronx >= 2.13, Neuron SDK 2.33, Trn2 and Trn3",
        torch=("2.13", "2.14"),
    ),
    "portable": Target(
        name="portable",
        device="",
        runtime="torch.accelerator",
        backend="",
        compiler="",
        versions="torch >= 2.6 with whatever torch.accelerator finds",
        torch=("2.6", "2.7", "2.8", "2.9", "2.10", "2.11", "2.12", "2.13", "2.14", "2.15"),
        title="other devices",
        keeps_cuda=True,
        definitions={
            "DEVICE": "torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else 'cpu'"
        },
    ),
    "xla": Target(
        name="xla",
        device="xla",
        runtime="torch_xla",
        backend="xla",
        compiler="openxla",
        module="torch_xla",
        backend_module="torch_xla.distributed.xla_backend",
        current="torch_xla.device()",
        numbered=False,
        loads=False,
        versions="torch-neuronx <= 2.9 over torch_xla, Trn1, Inf2 and Trn2",
        torch=("2.9",),
    ),
}
