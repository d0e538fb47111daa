"""Keys and values of configurations that tie a program to CUDA, wherever they stand: files, or arguments of a command.

Names are normalised so that one catalogue row answers for all spellings: every key that reads as a device is
``device``, every key that reads as a backend is ``backend``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

DEVICE = re.compile(r"cuda(?::(?:\d+|[$%{][^\n]*))?", re.ASCII)
_DEVICE_KEY = re.compile(r"(?:.*_)?(?:device|devices|device_?name|device_?type|map_location|dev|accelerator)", re.ASCII)
_BACKEND_KEY = re.compile(r"(?:.*_)?(?:backend|process_group|pg|dist)", re.ASCII)
_NCCL = re.compile(r"(?:(?:cpu|cuda):\w+,)*(?:cuda:)?nccl(?:,(?:cpu|cuda):\w+)*", re.ASCII)
_HALF = re.compile(r"(?:torch\.)?(?:fp16|float16|half)|16(?:-mixed|-true)?", re.ASCII)
_YES = frozenset(["true", "yes", "on"])
_TRUE = _YES | {"1", "enabled", ""}
_NOTHING = frozenset(["null", "none", "~", "[]", "false", "-1", ""])

# Keys under which a value of half precision means computing in float16, and the key that rows use.
_PRECISION = {
    "mixed_precision": "mixed_precision",
    "precision": "precision",
    "dtype": "dtype",
    "torch_dtype": "dtype",
    "model_dtype": "dtype",
    "compute_dtype": "dtype",
    "bnb_4bit_compute_dtype": "dtype",
    "amp_dtype": "dtype",
}
# Switches, and the switch that rows use.
_SWITCHES = {
    "fp16": "fp16",
    "fp16_full_eval": "fp16_full_eval",
    "use_fp16": "half",
    "half": "half",
    "use_half": "half",
    "tf32": "tf32",
    "allow_tf32": "tf32",
    "cudnn_benchmark": "cudnn_benchmark",
    "cudnn.benchmark": "cudnn_benchmark",
    "cudnn_deterministic": "cudnn_deterministic",
    "use_cuda": "use_cuda",
    "cuda": "use_cuda",
    "use_gpu": "use_cuda",
    "load_in_8bit": "load_in_8bit",
    "load_in_4bit": "load_in_4bit",
    "use_liger_kernel": "use_liger_kernel",
}
# Keys that count or choose GPUs: their value stays in the name.
_GPU_COUNTS = frozenset(["gpus", "num_gpus", "n_gpus", "n_gpu", "ngpus", "gpus_per_node", "num_gpus_per_node"])
_GPU_IDS = frozenset(["gpu", "gpu_id", "gpu_ids"])
# Keys of which some values need CUDA.
_CHOICES = {
    "distributed_type": re.compile(r"MULTI_GPU|DEEPSPEED|MEGATRON_LM|FSDP"),
    "fsdp": re.compile(r".*shard.*"),
    **dict.fromkeys(("deepspeed", "deepspeed_config", "deepspeed_config_file"), re.compile(r".*\.json|\$.+")),
    "attn_implementation": re.compile(r"flash_attention_\d|flash_attn\w*"),
    "_attn_implementation": re.compile(r"flash_attention_\d|flash_attn\w*"),
    "optim": re.compile(r"\w*(?:bnb|8bit|apex|paged)\w*"),
    "optimizer": re.compile(r"\w*(?:8bit|apex|Fused(?:Adam|SGD|LAMB))\w*"),
}
# What the names of environment variables hold that concern porter.
_VARIABLE_WORDS = (
    "CUDA",
    "NCCL",
    "CUDNN",
    "CUBLAS",
    "CUTLASS",
    "NVIDIA",
    "NVCC",
    "NVTE",
    "NVTX",
    "NVSHMEM",
    "TRITON",
    "TORCH",
    "XFORMERS",
    "FLASH_ATT",
    "GPU",
)

_CREDENTIALS = ("_TOKEN", "_KEY", "_SECRET", "_PASSWORD", "_USER", "_URL")  # for NVIDIA's services


class Setting(NamedTuple):
    """A normalised key and value. Not ``certain`` where only the value speaks of CUDA and the key may mean anything."""

    name: str
    certain: bool = True


def setting(path: tuple[str, ...], value: str) -> Setting | None:
    """What ``value`` under the key ``path`` says of CUDA: ``device: cuda``. None where it says nothing."""
    key = path[-1].lower().replace("-", "_") if path else ""
    if len(value) > 80 or len(key) > 80:
        return None
    if key in ("enabled", "enable") and len(path) > 1:  # {"fp16": {"enabled": true}}
        key = path[-2].lower().replace("-", "_")
        return _switch(key, value)
    if path[-2:] == ("zero_optimization", "stage"):  # what every configuration of DeepSpeed has
        return Setting(f"zero_optimization: {value}")
    if path == ("build", "gpu") and value.lower() in _YES:
        return Setting("build.gpu: true")  # Cog's
    if DEVICE.fullmatch(value):
        return Setting(f"device: {value}", _DEVICE_KEY.fullmatch(key) is not None)
    if value in ("gpu", "cuda", "GPU") and key.endswith(("accelerator", "device")):
        return Setting(f"{'accelerator' if key.endswith('accelerator') else 'device'}: gpu")
    if _NCCL.fullmatch(value):
        return Setting(f"backend: {value}", _BACKEND_KEY.fullmatch(key) is not None)
    if key in _PRECISION and _HALF.fullmatch(value):
        return Setting(f"{_PRECISION[key]}: {value.removeprefix('torch.')}")
    if (key in _GPU_COUNTS and value != "0") or key in _GPU_IDS:
        if value.lower() in _YES:
            return Setting("use_cuda: true")
        return None if value.lower() in _NOTHING else Setting(f"{key}: {value}")
    if key in _CHOICES and _CHOICES[key].fullmatch(value):
        return Setting(f"{key.lstrip('_')}: {value}")
    return _switch(key, value)


def _switch(key: str, value: str) -> Setting | None:
    if key in _SWITCHES and value.lower() in _TRUE:
        return Setting(f"{_SWITCHES[key]}: true")
    return None


def is_cuda_variable(name: str) -> bool:
    """Whether an environment variable's name speaks of NVIDIA's software or of what PyTorch builds on it."""
    return name.isupper() and any(word in name for word in _VARIABLE_WORDS) and not name.endswith(_CREDENTIALS)


def is_false(value: str) -> bool:
    """Whether ``value`` turns a switch off."""
    return value.lower() in ("false", "no", "off", "0", "none")
