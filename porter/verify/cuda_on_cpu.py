"""Lets code that asks for CUDA compute on the CPU, for oracles of programs that cannot run anywhere else.

Whatever names a CUDA device to PyTorch gets the CPU; `torch.cuda` says that there is one device, takes every order, and
has streams and events that do nothing, for the CPU is done when a call returns. Tensors tell the truth:
``tensor.device`` is ``cpu`` and ``tensor.is_cuda`` is False, so that code with a path for the CPU takes it. What CUDA
alone can do, such as a kernel in Triton or the replay of a CUDA graph, still fails.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

NAME = "CPU in place of a CUDA device"
MEMORY = 16 * 2**30  # bytes: what the device says that it has
CAPABILITY = (8, 0)  # of the first CUDA devices with bfloat16
_torch: Any = torch  # to be changed as no types allow
_CUDA = re.compile(r"cuda(:\d+)?")
_TYPED = ("Float", "Double", "Half", "BFloat16", "Byte", "Char", "Short", "Int", "Long", "Bool")


def to_cpu(value: Any) -> Any:
    """``value``, or the CPU if it names a CUDA device."""
    if isinstance(value, torch.device):
        return torch.device("cpu") if value.type == "cuda" else value
    if isinstance(value, str):
        return "cpu" if _CUDA.fullmatch(value) else value.replace("torch.cuda.", "torch.")
    return value


class CudaOnCpu(TorchFunctionMode):
    """Hands PyTorch's functions and the methods of tensors the CPU where they are given a CUDA device."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call ``func`` with the CPU in place of CUDA devices."""
        keywords = {name: to_cpu(value) for name, value in (kwargs or {}).items()}
        if isinstance(keywords.get("device"), int):
            keywords["device"] = "cpu"
        if func in _METHODS:
            return _METHODS[func](*args, **keywords)
        if func is torch.Tensor.to and len(args) > 1 and isinstance(args[1], int):
            args = (args[0], "cpu", *args[2:])
        return func(*map(to_cpu, args), **keywords)


def _itself(tensor: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return tensor


_METHODS: Mapping[Any, Callable[..., Any]] = {
    torch.Tensor.cuda: _itself,
    torch.Tensor.pin_memory: _itself,
}


class Stream:
    """A stream on which everything is done already. Also its own context."""

    device = torch.device("cuda", 0)
    cuda_stream = 0

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def query(self) -> bool:
        """Whether all is done: it is."""
        return True

    def synchronize(self) -> None:
        """Wait for nothing."""

    def wait_stream(self, stream: Any) -> None:
        """Wait for nothing."""

    def wait_event(self, event: Any) -> None:
        """Wait for nothing."""

    def record_event(self, event: Event | None = None) -> Event:
        """An event that happens now."""
        event = event or Event()
        event.record()
        return event


class Event:
    """A moment on the clock of the host."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self._moment = 0.0

    def record(self, stream: Any = None) -> None:
        """Happen now."""
        self._moment = time.perf_counter()

    def elapsed_time(self, end: Event) -> float:
        """Milliseconds until ``end``."""
        return (end._moment - self._moment) * 1000

    def query(self) -> bool:
        """Whether it has happened: it has."""
        return True

    def synchronize(self) -> None:
        """Wait for nothing."""

    def wait(self, stream: Any = None) -> None:
        """Wait for nothing."""


_ONE_STREAM = Stream()
_PROPERTIES = SimpleNamespace(
    name=NAME, major=CAPABILITY[0], minor=CAPABILITY[1], total_memory=MEMORY, multi_processor_count=1, warp_size=32
)

# What `torch.cuda` answers, by name.
ANSWERS: Mapping[str, Any] = {
    **dict.fromkeys(("is_available", "is_initialized", "is_bf16_supported"), True),
    **dict.fromkeys(("memory_allocated", "max_memory_allocated", "memory_reserved", "max_memory_reserved"), 0),
    **dict.fromkeys(("current_device", "utilization"), 0),
    "device_count": 1,
    "get_device_name": NAME,
    "get_device_capability": CAPABILITY,
    "get_device_properties": _PROPERTIES,
    "mem_get_info": (MEMORY, MEMORY),
    "memory_stats": {},
    "memory_summary": "",
    "get_arch_list": [],
    "current_stream": _ONE_STREAM,
    "default_stream": _ONE_STREAM,
}
# What `torch.cuda` is told, without effect on the CPU.
ORDERS = (
    *("init", "_lazy_init", "set_device", "synchronize", "empty_cache", "ipc_collect", "set_stream", "_sleep"),
    *("manual_seed", "manual_seed_all", "seed", "seed_all", "set_per_process_memory_fraction"),
    *("reset_peak_memory_stats", "reset_max_memory_allocated", "reset_accumulated_memory_stats"),
)


def install() -> None:
    """Map CUDA to the CPU in this process and thread, for good."""
    torch.compiler.set_stance("force_eager")  # imports torch._dynamo, which looks at what is replaced below
    _answer_for_cuda()
    _map_amp()
    _map_constructors()
    _map_loading()
    _map_distributed()
    mode: Any = CudaOnCpu()
    mode.__enter__()


def _answer_for_cuda() -> None:
    cuda = _torch.cuda
    for name, answer in ANSWERS.items():
        setattr(cuda, name, lambda *_, _answer=answer, **__: _answer)
    for name in ORDERS:
        setattr(cuda, name, lambda *_, **__: None)
    cuda.Stream, cuda.Event = Stream, Event
    cuda.default_generators = (torch.default_generator,)
    cuda.stream = lambda stream: stream or _ONE_STREAM
    cuda.device = cuda.device_of = lambda device: contextlib.nullcontext()
    cuda.get_rng_state = lambda device="cuda": torch.get_rng_state()
    cuda.get_rng_state_all = lambda: [torch.get_rng_state()]
    cuda.set_rng_state = cuda.set_rng_state_all = lambda *_, **__: None  # the CPU's own state is restored as such
    cuda.nvtx.range_push = cuda.nvtx.range_pop = cuda.nvtx.mark = lambda *_, **__: 0
    cuda.nvtx.range = lambda *_, **__: contextlib.nullcontext()
    for name in _TYPED:
        setattr(cuda, f"{name}Tensor", getattr(torch, f"{name}Tensor"))


def _map_amp() -> None:
    """`autocast("cuda")` and `GradScaler("cuda")`, however spelled, are the CPU's, with CUDA's default of float16."""
    autocast_init = torch.autocast.__init__

    def init_autocast(
        self: Any, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: Any = None
    ) -> None:
        if device_type.startswith("cuda") and dtype is None:
            dtype = torch.float16
        autocast_init(self, to_cpu(device_type), dtype, enabled, cache_enabled)

    scaler_init = torch.amp.GradScaler.__init__

    def init_scaler(self: Any, device: str = "cuda", *args: Any, **kwargs: Any) -> None:
        scaler_init(self, to_cpu(device), *args, **kwargs)

    _torch.autocast.__init__ = init_autocast
    _torch.amp.GradScaler.__init__ = init_scaler
    for name in ("is_autocast_enabled", "get_autocast_dtype", "set_autocast_enabled", "set_autocast_dtype"):
        _wrap(torch, name, default=("cpu",) if name == "is_autocast_enabled" else ())


def _wrap(holder: Any, name: str, default: tuple[Any, ...] = ()) -> None:
    """Let a function that modes do not see get the CPU for CUDA; ``default`` where it gets nothing."""
    function = getattr(holder, name)

    def mapped(*args: Any, **kwargs: Any) -> Any:
        return function(*map(to_cpu, args or default), **{key: to_cpu(value) for key, value in kwargs.items()})

    setattr(holder, name, mapped)


class _AnyGenerator(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, torch._C.Generator)


class _Generator(metaclass=_AnyGenerator):
    """Stands for `torch.Generator`, which cannot be changed."""

    def __new__(cls, device: Any = "cpu") -> Any:
        return torch._C.Generator("cpu" if isinstance(device, int) else to_cpu(device))


def _map_constructors() -> None:
    """What is told of devices and streams in ways of its own."""
    _torch.Tensor.record_stream = lambda *_, **__: None  # PyTorch looks at the stream before it asks a mode
    _torch.Generator = _Generator
    optimizer_init = torch.optim.Optimizer.__init__

    def init_optimizer(self: Any, params: Any, defaults: dict[str, Any]) -> None:
        capturable = {"capturable": False} if "capturable" in defaults else {}
        optimizer_init(self, params, {**defaults, **capturable})

    _torch.optim.Optimizer.__init__ = init_optimizer
    data_parallel: Any = import_module("torch.nn.parallel.data_parallel")  # the attribute of that name is a function
    data_parallel._get_available_device_type = lambda: None
    _wrap(torch, "set_default_device")
    _torch.nn.attention.sdpa_kernel = lambda *_, **__: contextlib.nullcontext()
    set_type = torch.set_default_tensor_type
    _torch.set_default_tensor_type = lambda kind: set_type(to_cpu(kind))


def _map_loading() -> None:
    load = torch.load

    def load_on_cpu(*args: Any, **kwargs: Any) -> Any:
        args = (args[0], *args[2:]) if len(args) > 1 else args
        return load(*args, **{**kwargs, "map_location": "cpu"})

    _torch.load = load_on_cpu


def _map_distributed() -> None:
    if not torch.distributed.is_available():
        return
    import torch.distributed.device_mesh as device_mesh
    from torch.nn.parallel import DistributedDataParallel

    for name in ("init_process_group", "new_group"):
        _gloo(_torch.distributed, name)
    _wrap(torch.distributed, "init_device_mesh")
    _wrap(device_mesh, "init_device_mesh")
    ddp_init = DistributedDataParallel.__init__

    def init_ddp(
        self: Any, module: Any, device_ids: Any = None, output_device: Any = None, *args: Any, **kw: Any
    ) -> None:
        ddp_init(self, module, None, None, *args, **kw)

    _torch.nn.parallel.DistributedDataParallel.__init__ = init_ddp


def _gloo(distributed: Any, name: str) -> None:
    """Let a function that makes process groups make those of NCCL of gloo."""
    function = getattr(distributed, name)

    def with_gloo(*args: Any, **kwargs: Any) -> Any:
        kwargs = {key: value for key, value in kwargs.items() if key not in ("device_id", "pg_options")}
        args = tuple(_no_nccl(value) for value in args)
        return function(*args, **{key: _no_nccl(value) for key, value in kwargs.items()})

    for module in (distributed, distributed.distributed_c10d):
        setattr(module, name, with_gloo)


def _no_nccl(value: Any) -> Any:
    return "gloo" if isinstance(value, str) and "nccl" in value.lower() else value
