"""One memory under two devices: a DLPack capsule whose device is rewritten before it is read again.

DLPack's kDLExtDev is PyTorch's PrivateUse1. The capsule is a C struct that starts with ``void *data`` and then
``int32 device_type, int32 device_id``, a stable ABI (dlpack.h): those eight bytes are all that is touched. The result
is an ordinary tensor on the other device; it has a storage of its own that keeps the first one alive.
"""

from __future__ import annotations

import ctypes

import torch

_HOST = 1  # kDLCPU, index 0
_DEVICE = 12  # kDLExtDev; the index is the upper half of the word
_DEVICE_OFFSET = ctypes.sizeof(ctypes.c_void_p)

_address = ctypes.pythonapi.PyCapsule_GetPointer
_address.restype = ctypes.c_void_p
_address.argtypes = [ctypes.py_object, ctypes.c_char_p]
_word = ctypes.c_int64.from_address
_export = torch._C._to_dlpack
_import = torch._C._from_dlpack


def to_host(tensor: torch.Tensor) -> torch.Tensor:
    """A CPU tensor on the memory of a device tensor, without autograd history; conjugation and negation stay lazy."""
    capsule = _export(tensor)
    _word(_address(capsule, b"dltensor") + _DEVICE_OFFSET).value = _HOST
    alias: torch.Tensor = _import(capsule)
    if tensor.is_conj():
        alias = torch._conj(alias)
    if tensor.is_neg():
        alias = torch._neg_view(alias)
    return alias


def to_device(tensor: torch.Tensor, index: int) -> torch.Tensor:
    """A tensor of device ``index`` on the memory of a strided CPU tensor, without autograd history.

    Raises NotImplementedError for layouts and data types that DLPack does not know (sparse, quantized).
    """
    if tensor.layout is not torch.strided:
        raise NotImplementedError(f"{tensor.layout} is not supported on device neuron")
    if tensor.is_conj() or tensor.is_neg():
        tensor = tensor.resolve_conj().resolve_neg()
    try:
        capsule = _export(tensor)
    except (RuntimeError, BufferError) as error:
        raise NotImplementedError(f"{tensor.dtype} is not supported on device neuron") from error
    _word(_address(capsule, b"dltensor") + _DEVICE_OFFSET).value = _DEVICE | index << 32
    alias: torch.Tensor = _import(capsule)
    return alias
