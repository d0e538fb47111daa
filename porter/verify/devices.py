"""The devices that a worker can run a case on, each with what it can tell of the run."""

from __future__ import annotations

import importlib.metadata
import platform
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch

from porter.verify.errors import Unavailable

NEURON_INSTALL = (
    'pip install "torch-neuronx==2.14.*" "neuronx-cc==2.*" nki'
    " --extra-index-url https://pip.repos.neuron.amazonaws.com --extra-index-url https://download.pytorch.org/whl/cpu"
)
_NEURON_PACKAGES = ("torch-neuronx", "neuronx-cc", "nki")


class Device:
    """The CPU, and what the other devices do alike."""

    name = "cpu"  # what the factory gets

    def __init__(self) -> None:
        self.device = torch.device("cpu")

    @property
    def type(self) -> str:
        """The device type, as `torch.autocast` takes it."""
        return str(self.device.type)

    def place(self) -> str:
        """What this is, for the report."""
        return f"CPU, PyTorch {torch.__version__}"

    def move(self, model: torch.nn.Module) -> list[str]:
        """Put a model on the device; return what a port has to see to itself."""
        model.to(self.device)
        return []

    def begin(self) -> None:
        """Forget what has been counted so far: what counts comes now."""

    def end_step(self) -> None:
        """Make the device do what it has been given. Outputs must still be referred to."""

    def counters(self) -> Mapping[str, Any]:
        """What the device counted: plain data."""
        return {}


class CudaOnCpu(Device):
    """The CPU, to code that asks for CUDA."""

    name = "cuda"

    def __init__(self) -> None:
        super().__init__()
        from porter.verify import cuda_on_cpu

        cuda_on_cpu.install()

    def place(self) -> str:
        """What this is, for the report."""
        return f"{super().place()}, CUDA calls mapped to it"


class Simulated(Device):
    """porter's simulated Neuron device."""

    name = "neuron"

    def __init__(self) -> None:
        from porter import simulate

        try:
            self.simulation = simulate.install()
        except simulate.SimulationError as error:
            raise Unavailable(str(error)) from error
        self.device = torch.device("neuron")

    def place(self) -> str:
        """What this is, for the report."""
        return f"simulated Neuron device, PyTorch {torch.__version__}"

    def begin(self) -> None:
        """Forget what has been counted so far."""
        self.simulation.trace.clear()

    def counters(self) -> Mapping[str, Any]:
        """Calls by operator, host synchronisations, and operators that Neuron is expected to leave to the CPU."""
        summary = self.simulation.trace.summary()
        operators: Counter[str] = Counter()
        for operator in summary.operators:
            operators[operator.name] += operator.count
        return {
            "operators": dict(sorted(operators.items())),
            "host_syncs": sum(sync.count for sync in summary.syncs),
            "cpu_fallbacks": {fallback.name: fallback.count for fallback in summary.fallbacks},
        }


class Neuron(Device):
    """A NeuronCore, through the vendor's torch-neuronx (>= 2.13)."""

    name = "neuron"

    def __init__(self) -> None:
        try:
            import torch_neuronx  # type: ignore[import-not-found]
        except ImportError as error:  # also what the placeholder on PyPI raises
            lines = str(error).strip().splitlines() or ["it cannot be imported"]
            raise Unavailable(f"no torch_neuronx: {lines[0]}; install it: {NEURON_INSTALL}") from error
        if "simulated" in str(getattr(torch_neuronx, "__version__", "")):
            raise Unavailable("torch_neuronx is porter's simulated device here: that is the backend sim")
        if not hasattr(torch, "neuron"):
            raise Unavailable(
                f"torch-neuronx {_version('torch-neuronx')} has no native device (it is the XLA package): "
                f"install 2.13 or newer: {NEURON_INSTALL}"
            )
        self.runtime = torch.get_device_module("neuron")
        self.package = torch_neuronx
        if not self.runtime.is_available():
            raise Unavailable("torch_neuronx finds no NeuronCore: run this on a Trn2 or Trn3 instance (`neuron-ls`)")
        self.device = torch.device("neuron", self.runtime.current_device())

    def begin(self) -> None:
        """Forget what has been counted so far."""
        if hasattr(self.package, "clear_op_tracking"):
            self.package.clear_op_tracking()

    def place(self) -> str:
        """What this is, for the report: the chip, and the versions of the SDK's parts."""
        versions = [f"{name} {version}" for name in _NEURON_PACKAGES if (version := _version(name))]
        return ", ".join(
            [f"{self.runtime.get_device_name()} ({self.device})", f"PyTorch {torch.__version__}", *versions]
        )

    def end_step(self) -> None:
        """Wait for the device: its errors belong to the step that caused them."""
        self.runtime.synchronize()

    def counters(self) -> Mapping[str, Any]:
        """Operators that ran on the device, and those that fell back to the CPU."""
        counted = {}
        for key, function in (("operators", "get_executed_ops"), ("cpu_fallbacks", "get_fallback_ops")):
            if hasattr(self.package, function):
                counted[key] = _plain(getattr(self.package, function)())
        return counted


class Xla(Device):
    """XLA's CPU client under torch_xla. Made before the first backward pass, or autograd dies of an assertion."""

    name = "xla"

    def __init__(self) -> None:
        try:
            import torch_xla  # type: ignore[import-not-found]
            import torch_xla.debug.metrics as metrics  # type: ignore[import-not-found]
        except ImportError as error:
            raise Unavailable(f"torch_xla cannot be imported: {error}; run `porter verify --setup xla-cpu`") from error
        self.xla, self.metrics = torch_xla, metrics
        self.device = torch_xla.device()

    def move(self, model: torch.nn.Module) -> list[str]:
        """The move makes new parameters on XLA, so that those which were one are two: tie them again."""
        tied: dict[int, list[str]] = {}
        for name, parameter in model.named_parameters(remove_duplicate=False):
            tied.setdefault(id(parameter), []).append(name)
        model.to(self.device)
        warnings = []
        for first, *others in tied.values():
            for name in others:
                owner, _, attribute = name.rpartition(".")
                setattr(model.get_submodule(owner), attribute, model.get_parameter(first))
                warnings.append(
                    f"`{name}` and `{first}` are one parameter; `.to` on XLA separates them, porter did not"
                )
        return warnings

    def begin(self) -> None:
        """Forget what has been counted so far, and do what has been recorded."""
        self.xla.sync(wait=True)
        self.metrics.clear_all()

    def place(self) -> str:
        """What this is, for the report."""
        versions = f"torch_xla {self.xla.__version__}, PyTorch {torch.__version__}, Python {platform.python_version()}"
        return f"XLA on the CPU, {versions}"

    def end_step(self) -> None:
        """Compile and run what was recorded."""
        self.xla.sync(wait=True)

    def counters(self) -> Mapping[str, Any]:
        """Graphs compiled and reused, seconds spent compiling, and operators that XLA left to the CPU, with calls."""
        compiled = self.metrics.metric_data("CompileTime")
        return {
            "compiled": self.metrics.counter_value("UncachedCompile") or 0,
            "reused": self.metrics.counter_value("CachedCompile") or 0,
            "compile_seconds": round(compiled[1] / 1e9, 3) if compiled else 0.0,
            "cpu_fallbacks": {
                name: self.metrics.counter_value(name)
                for name in sorted(self.metrics.counter_names())
                if name.startswith("aten::")
            },
        }


DEVICES: Mapping[str, type[Device]] = {
    "cpu": Device,
    "cuda-on-cpu": CudaOnCpu,
    "sim": Simulated,
    "xla-cpu": Xla,
    "neuron": Neuron,
}


def open_device(backend: str) -> Device:
    """The device of a backend; once for a process. Raises Unavailable."""
    return DEVICES[backend]()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _plain(counted: Any) -> Any:
    """Counts by operator, or a sorted list of operators: what the package gives, as JSON has it."""
    if isinstance(counted, Mapping):
        return {str(name): int(count) for name, count in sorted(counted.items())}
    return sorted(map(str, counted))
