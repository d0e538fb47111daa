"""Where a device or a backend is expected: parameters of torch's own callables. Data."""

from __future__ import annotations

# callable -> (parameter, position or None when keyword-only)
DEVICE: dict[str, tuple[str, int | None]] = {
    "torch.device": ("type", 0),
    "torch.autocast": ("device_type", 0),
    "torch.amp.autocast": ("device_type", 0),
    "torch.amp.autocast_mode.autocast": ("device_type", 0),
    "torch.amp.GradScaler": ("device", 0),
    "torch.amp.grad_scaler.GradScaler": ("device", 0),
    "torch.GradScaler": ("device", 0),
    "torch.amp.custom_fwd": ("device_type", None),
    "torch.amp.custom_bwd": ("device_type", None),
    "torch.amp.is_autocast_available": ("device_type", 0),
    "torch.is_autocast_enabled": ("device_type", 0),
    "torch.get_autocast_dtype": ("device_type", 0),
    "torch.set_autocast_dtype": ("device_type", 0),
    "torch.set_autocast_enabled": ("device_type", 0),
    "torch.load": ("map_location", 1),
    "torch.jit.load": ("map_location", 1),
    "torch.hub.load_state_dict_from_url": ("map_location", 2),
    "torch.utils.model_zoo.load_url": ("map_location", 2),
    "torch.set_default_device": ("device", 0),
    "torch.Generator": ("device", 0),
    "torch.get_device_module": ("device", 0),
    "torch.Stream": ("device", 0),
    "torch.Event": ("device", 0),
    "torch.random.fork_rng": ("device_type", None),
    "torch.cuda.device": ("device", 0),
    "torch.cuda.set_device": ("device", 0),
    "torch.cuda.synchronize": ("device", 0),
    "torch.cuda.get_device_name": ("device", 0),
    "torch.cuda.get_device_properties": ("device", 0),
    "torch.cuda.get_device_capability": ("device", 0),
    "torch.cuda.memory_allocated": ("device", 0),
    "torch.cuda.max_memory_allocated": ("device", 0),
    "torch.cuda.memory_reserved": ("device", 0),
    "torch.cuda.max_memory_reserved": ("device", 0),
    "torch.cuda.reset_peak_memory_stats": ("device", 0),
    "torch.cuda.mem_get_info": ("device", 0),
    "torch.cuda.current_stream": ("device", 0),
    "torch.cuda.Stream": ("device", 0),
    "torch.distributed.init_device_mesh": ("device_type", 0),
    "torch.distributed.device_mesh.init_device_mesh": ("device_type", 0),
    "torch.distributed.DeviceMesh": ("device_type", 0),
    "torch.distributed.device_mesh.DeviceMesh": ("device_type", 0),
    "torch.distributed.tensor.DeviceMesh": ("device_type", 0),
    "torch.distributed._tensor.DeviceMesh": ("device_type", 0),
    "torch.distributed.get_default_backend_for_device": ("device", 0),
    "torch.distributed.init_process_group": ("device_id", None),
    "torch.utils.data.DataLoader": ("pin_memory_device", None),
}

BACKEND: dict[str, tuple[str, int | None]] = {
    "torch.distributed.init_process_group": ("backend", 0),
    "torch.distributed.distributed_c10d.init_process_group": ("backend", 0),
    "torch.distributed.new_group": ("backend", 2),
    "torch.distributed.new_subgroups": ("backend", None),
    "torch.distributed.is_backend_available": ("backend", 0),
    "torch.distributed.Backend": ("name", 0),
    "accelerate.InitProcessGroupKwargs": ("backend", 0),
    "accelerate.utils.InitProcessGroupKwargs": ("backend", 0),
}

# Calls that yield one.
SOURCES = {
    "torch.device": "device",
    "torch.accelerator.current_accelerator": "device",
    "torch.distributed.get_backend": "backend",
}

# Methods that take a device, whatever the receiver: (parameter, position).
METHODS: dict[str, tuple[str, int | None]] = {
    "to": ("device", 0),
    "cuda": ("device", 0),
    "to_empty": ("device", None),
    "new_zeros": ("device", None),
    "new_ones": ("device", None),
    "new_empty": ("device", None),
    "new_full": ("device", None),
    "new_tensor": ("device", None),
    "get_rng_state": ("device", 0),
    "create_pg": ("device", 0),  # PyTorch's DistributedTestBase
}

# Parameter names that mean a device in any callable under torch.
TORCH_KEYWORDS = frozenset({"device", "device_type", "map_location", "device_id"})

# Parameter names by which a callable that porter cannot see probably takes a device. A finding there is `review`.
LIKELY_KEYWORDS = frozenset(
    {"device", "device_type", "map_location", "torch_device", "device_map", "target_device", "device_name", "devices"}
)

# Packages that do not compute with PyTorch: words for devices are their own, and mean nothing to torch.
_FOREIGN = """
    av brax catboost chainer ctransformers ctranslate2 cudf cuml cupy cv2 decord faiss faster_whisper gpt4all
    isaacgym isaacgymenvs isaaclab isaacsim jax jaxlib jittor keras lightgbm llama_cpp mindspore mlc_llm mxnet numba
    nvidia oneflow onnxruntime open3d openvino paddle pycuda rapidocr_onnxruntime spacy taichi tensorflow tensorrt
    thinc tinygrad tvm warp xgboost
"""
FOREIGN = frozenset(_FOREIGN.split())

# Calls that hand on the text they are given.
TRANSPARENT = frozenset({"str", "torch.device"})

# Calls whose first argument, or ``default``, is what the surrounding field or parameter holds.
CARRIERS = frozenset(
    {"dataclasses.field", "pydantic.Field", "attr.ib", "attrs.field", "pytest.param", "typer.Option", "typer.Argument"}
)

# Callables that start a function they are given, with a tuple of arguments: how many more they put before these.
# The function comes first or as ``fn``, the arguments second or as ``args``.
STARTERS = {"torch.multiprocessing.spawn": 1, "torch.multiprocessing.start_processes": 1}

# Builtins that take the name of an attribute as their second argument.
BY_NAME = frozenset({"getattr", "hasattr", "setattr", "delattr"})
TRANSPARENT_METHODS = frozenset({"lower", "strip", "format", "split", "partition", "removeprefix", "replace"})
