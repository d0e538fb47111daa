"""Whether the device can be simulated here: PyTorch is young enough, nothing moved that the simulator needs.

All private names of PyTorch that `porter.simulate` uses are listed here, and what they do is tried when the device is
installed: if a release of PyTorch moved one, the answer is a message, not a crash in the middle of a training run.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from functools import reduce

import torch

from porter.simulate.errors import SimulationError
from porter.simulate.settings import VENDOR

SUPPORTED = "torch 2.13 to 2.15 are supported"

PRIVATE = """
    UntypedStorage.nbytes UntypedStorage.resize_ _C.DispatchKey.AutocastPrivateUse1 _C.DispatchKey.PrivateUse1
    _C.DispatchKeySet _C._ExcludeDispatchKeyGuard _C._accelerator_emptyCache _C._accelerator_exchangeDevice
    _C._accelerator_getDeviceIndex _C._accelerator_getDeviceStats _C._accelerator_getMemoryInfo
    _C._accelerator_getStream _C._accelerator_isAllocatorInitialized _C._accelerator_maybeExchangeDevice
    _C._accelerator_resetAccumulatedStats _C._accelerator_resetPeakStats _C._accelerator_setDeviceIndex
    _C._accelerator_setStream _C._accelerator_synchronizeDevice _C._current_graph_task_id
    _C._dispatch_get_all_op_names _C._dispatch_has_kernel_for_dispatch_key _C._distributed_c10d _C._from_dlpack
    _C._get_privateuse1_backend_name _C._to_dlpack autograd.set_multithreading_enabled
    autograd.variable.Variable._execution_engine.run_backward clear_autocast_cache library.fallthrough_kernel
    ops.aten._fused_sdp_choice.default ops.aten._scaled_dot_product_attention_math.default
    ops.aten._scaled_dot_product_flash_attention_for_cpu.default ops.aten.add.Tensor._handle.redispatch_boxed
    ops.aten.add.Tensor._schema ops.aten.to.device._op_dk ops.aten.to.dtype_layout._op_dk
    utils.backend_registration._setup_privateuseone_for_python_backend
"""
"""Names below `torch` without which the device cannot be simulated."""


def require() -> None:
    """Raise SimulationError if PyTorch lacks what the simulator needs, or its one free device is taken."""
    for name in PRIVATE.split():
        try:
            reduce(getattr, name.split("."), torch)
        except (AttributeError, RuntimeError) as error:
            raise SimulationError(
                f"the Neuron device cannot be simulated with torch {torch.__version__}: torch.{name} is missing. "
                f"{SUPPORTED}"
            ) from error
    if importlib.util.find_spec(VENDOR) is not None:
        try:
            found = importlib.import_module(VENDOR)
        except ImportError:  # what PyPI has under the name: it raises, to say that it is the wrong package
            pass
        else:
            raise SimulationError(
                f"{VENDOR} {getattr(found, '__version__', '')} is installed here, and PyTorch has room for one Neuron "
                "device only: use the real one, or simulate in an environment without it"
            )
    if (taken := torch._C._get_privateuse1_backend_name()) != "privateuseone":
        raise SimulationError(f"PyTorch has room for one device of its users' own, and {taken!r} has taken it")


def check() -> None:
    """Try what the simulator is built on; raises SimulationError naming what does not work."""
    for trial in TRIALS:
        try:
            passed = trial()
        except Exception as error:
            raise _broken(trial) from error
        if not passed:
            raise _broken(trial)


def _broken(trial: Callable[[], bool]) -> SimulationError:
    return SimulationError(
        f"the Neuron device cannot be simulated with torch {torch.__version__}: {trial.__doc__} {SUPPORTED}"
    )


def _aliases() -> bool:
    """Device tensors do not share memory with CPU as they should."""
    from porter.simulate.alias import to_device, to_host

    host = torch.arange(6.0, device="cpu").reshape(2, 3)
    device = to_device(host, 1)
    same = to_host(device[1:])
    return str(device.device) == "neuron:1" and same.data_ptr() == host[1:].data_ptr() and same.equal(host[1:])


def _computes() -> bool:
    """Operators do not run on the device."""
    left = torch.ones(2, 2, device="cpu").to("neuron")
    left.add_(left @ left.t())
    return bool(left.is_neuron) and left.cpu().tolist() == [[3.0, 3.0], [3.0, 3.0]]


def _selects() -> bool:
    """`torch.accelerator` does not know the device."""
    accelerator = torch.accelerator.current_accelerator()
    return bool(accelerator == torch.device("neuron") and torch.accelerator.current_device_index() == 0)


def _casts() -> bool:
    """Autocast does not reach the device."""
    with torch.autocast("neuron", dtype=torch.bfloat16):
        square = torch.ones(2, 2, device="cpu").to("neuron")
        return bool(torch.mm(square, square).dtype is torch.bfloat16)


TRIALS: tuple[Callable[[], bool], ...] = (_aliases, _computes, _selects, _casts)
