"""The policies, as data. docs/policies.md is this table: `python -m porter.simulate.policies` writes it."""

from __future__ import annotations

from porter.simulate.policies.model import CAST, OFF, STRICT, Policy

_DOWNCAST = "--implicit-integer-downcast"
_DEFAULT_NOTE = (
    "Until Neuron 2.32 the compiler downcast with a warning; the error pages of the current documentation say that it "
    "rejects by default."
)

_ALL = (
    # --- the runtime -------------------------------------------------------------------------------------------------
    Policy(
        name="init_order",
        summary="The runtime must not be initialised before `init_process_group`: no tensor on the device, no "
        "`torch.neuron.set_device`, no `get_device_properties` ahead of it.",
        message="Neuron runtime should not be initialized before the init_process_group.",
        sources=("T-DIST", "T-SPEC", "ACC-ST"),
        evidence="A",
        note="The assertion is from April's source; accelerate calls `init_process_group` first for the same reason.",
    ),
    Policy(
        name="device_index",
        summary="In a process group the device's index is LOCAL_RANK; outside of one it counts the visible cores.",
        message="Device index {index} is out of range. Valid range is {first} to {last} for this process",
        sources=("T-DEV", "T-SPEC"),
        evidence="B",
    ),
    Policy(
        name="one_device_per_process",
        summary="A process of a process group sees one logical core: NEURON_RT_VISIBLE_CORES may name one only.",
        message="Attempted to have more than one device per process in distributed setup",
        sources=("T-DIST", "T-SPEC", "SDK-PG"),
        evidence="A",
    ),
    Policy(
        name="fork",
        summary="A process forked after the runtime was initialised cannot use the device.",
        message="Cannot re-initialize Neuron runtime in forked subprocess. To use Neuron with multiprocessing, use the "
        "'spawn' start method",
        sources=("T-INIT",),
        evidence="B",
    ),
    Policy(
        name="generator",
        summary="There is no `torch.Generator` on the device: generate with a CPU generator, then move.",
        message="torch.Generator is not available on device {device}: use torch.Generator() and move the result",
        sources=("DIF-TU", "DIFFLET"),
        evidence="A",
        note="diffusers makes its generators on CPU; a third party reports that the constructor fails. The vendor's "
        "own words are not known.",
    ),
    Policy(
        name="mixed_devices",
        summary="An operator takes tensors of one device; 0-dimensional CPU tensors are numbers.",
        message="Expected all tensors to be on the same device, but found at least two devices, {first} and {second}! "
        "(in {operator})",
        sources=("T-SPEC", "PROBE"),
        evidence="B",
        note="Inside torch.compile CPU inputs are copied silently unless TORCH_NEURONX_DYNAMO_DISABLE_CPU_AUTOCOPY is "
        "set (D-ENV).",
    ),
    # --- data types and layout ---------------------------------------------------------------------------------------
    Policy(
        name="float64",
        summary="Eager mode keeps float64 as the Python dtype and computes in float32.",
        message="float64 is not supported on Neuron ({operator}): values would be kept in float32",
        sources=("SDK-DT", "T-QS", "T-AUTOC", "DIF-TU"),
        evidence="A",
        default=CAST,
        modes=(CAST, STRICT, OFF),
        note="`cast` rounds what reaches the device and every result to float32; `strict` finds the places.",
    ),
    Policy(
        name="int64",
        summary="With --native-int64=disabled (and on Trn1) int64 is kept as int32: larger values wrap.",
        message="int64 is kept as int32 ({operator})",
        sources=("SDK-CRN", "SDK-DT", "T-AUTOC", "D-MEM"),
        evidence="A",
        default=OFF,
        modes=(OFF, CAST, STRICT),
        options=(("--native-int64=disabled", CAST), ("--native-int64=enabled", OFF)),
        note="2.32 downcast by default and announced native int64 for the next release. The current error pages assume "
        "that release; that 2.33 shipped the change is not confirmed.",
    ),
    Policy(
        name="complex",
        summary="Complex numbers are not supported on the device.",
        message="Complex data types are not supported on the Neuron device. ({dtype} in {operator})",
        sources=("SDK-ERR", "SDK-CRN", "D-ENV"),
        evidence="A",
        code="NCC_EVRF004",
        note="For torch >= 2.13 TORCH_NEURONX_COMPLEX_DECOMPOSE (on by default) rewrites complex operators in graphs "
        "of torch.compile as real ones, and compiler 2.27 took up 30 complex64 operators. What eager mode does is not "
        "documented: switch the policy off to foresee compiled code.",
    ),
    Policy(
        name="float8_fnuz",
        summary="The FNUZ variants of float8 are not supported.",
        message="The compiler found usage of F8E4M3FNUZ, F8E4M3B11FNUZ, or F8E5M2FNUZ data type which is not "
        "supported. ({dtype} in {operator})",
        sources=("SDK-ERR",),
        evidence="A",
        code="NCC_EVRF005",
    ),
    Policy(
        name="float8_e4m3fn",
        summary="float8_e4m3fn needs Trn3.",
        message="Data type F8E4M3FN is not supported on TRN1/TRN2. (in {operator})",
        sources=("SDK-ERR", "SDK-DT", "DIFFLET"),
        evidence="A",
        code="NCC_EVRF051",
        options=(("--experimental-unsafe-fp8e4m3fn-as-fp8e4m3", OFF),),
        note="Switch it off to foresee Trn3.",
    ),
    Policy(
        name="channels_last",
        summary="Tensors are contiguous, or keep their layout: channels_last is refused.",
        message="{operator}: Neuron tensors only support contiguous or preserve memory format",
        sources=("T-GMEM", "T-CAST"),
        evidence="B",
    ),
    # --- operators that the compiler refuses -------------------------------------------------------------------------
    Policy(
        name="integer_matmul",
        summary="Matrix products of int32 or int64 are refused: the engine computes in floating point.",
        message="Opcode (dot) does not support 32-bit or 64-bit integer operands on this target. ({operator})",
        sources=("SDK-ERR", "T-TESTS"),
        evidence="A",
        code="NCC_EVRF035",
        options=((f"{_DOWNCAST}=dot", OFF), (f"{_DOWNCAST}=all", OFF)),
        note=_DEFAULT_NOTE + " Trn1 takes int32 with a warning.",
    ),
    Policy(
        name="integer_scatter",
        summary="Scatters that combine values (scatter_add, scatter_reduce, index_add, accumulating index_put) refuse "
        "integers and bool.",
        message="The scatter-reduce operation cannot perform reduction logic if the data being scattered or the "
        "destination tensor is using an integer or boolean data type. ({operator})",
        sources=("SDK-ERR",),
        evidence="A",
        code="NCC_EVRF016/060",
        options=((f"{_DOWNCAST}=scatter", OFF), (f"{_DOWNCAST}=all", OFF)),
        note=_DEFAULT_NOTE + " A scatter that only overwrites is not affected.",
    ),
    Policy(
        name="integer_pow",
        summary="`pow` of int64 is refused.",
        message="pow does not support 64-bit integer operands on this target. ({operator})",
        sources=("SDK-ERR",),
        evidence="A",
        code="NCC_EVRF062",
        options=((f"{_DOWNCAST}=pow", OFF), (f"{_DOWNCAST}=all", OFF)),
        note=_DEFAULT_NOTE,
    ),
    Policy(
        name="integer_topk",
        summary="`topk` of int32 or int64 is refused.",
        message="TopK does not support int32 or int64 input tensors. ({operator})",
        sources=("SDK-ERR", "T-TESTS"),
        evidence="A",
        code="NCC_EVRF013",
    ),
    Policy(
        name="right_shift",
        summary="Arithmetic right shift takes 32-bit integers only.",
        message="Shift-right-arithmetic operation on non 32-bit inputs is not supported. Cast the first argument's "
        "data type to be S32, U32, or F32. ({operator})",
        sources=("SDK-ERR",),
        evidence="A",
        code="NCC_EVRF022",
    ),
    Policy(
        name="dilated_transpose",
        summary="A transposed convolution with stride and dilation dilates input and kernel at once: refused.",
        message="The compiler encountered simultaneous use of input and kernel dilation, which is not supported. "
        "({operator})",
        sources=("SDK-ERR",),
        evidence="A",
        code="NCC_EVRF010",
        note="The page shows it for XLA's convolution; that a transposed convolution is lowered to one is inferred.",
    ),
    Policy(
        name="dilated_pooling",
        summary="Pooling with dilation is refused.",
        message="reduce_window with dilation is not supported. ({operator})",
        sources=("SDK-ERR",),
        evidence="A",
        code="NCC_EVRF017",
    ),
    Policy(
        name="dynamic_shapes",
        summary="Graphs with dynamic shapes are refused, `torch.compile(dynamic=True)` at once: every new shape is a "
        "new graph.",
        message="dynamic shapes are not supported ({what}): leave dynamic unset or pass dynamic=False, and pad to a "
        "few fixed shapes",
        sources=("D-COMP", "T-DYN", "SDK-ERR"),
        evidence="A",
        code="NCC_EMOD025",
    ),
    # --- collectives -------------------------------------------------------------------------------------------------
    Policy(
        name="integer_all_reduce",
        summary="all_reduce and reduce_scatter of int32 or int64 are refused: cast to float32 first.",
        message="{collective} performs its reduction compute in floating point (f32) and does not support 32-bit or "
        "64-bit integer operands on this target",
        sources=("SDK-ERR", "SDK-CRN"),
        evidence="A",
        code="NCC_EVRF061/063",
        options=(
            (f"{_DOWNCAST}=all_reduce", OFF),
            (f"{_DOWNCAST}=all", OFF),
        ),
        note=_DEFAULT_NOTE
        + " DistributedDataParallel's own count of unused parameters, in int32, is let through: it is "
        "documented as supported.",
    ),
    Policy(
        name="reductions",
        summary="Reductions are SUM, AVG, MIN and MAX (PREMUL_SUM is scaled first): no PRODUCT, no bitwise ones.",
        message="unsupported reduce operation '{operation}', supported ops: {supported}",
        sources=("T-DIST", "T-SPEC", "T-TESTS"),
        evidence="B",
    ),
    Policy(
        name="even_splits",
        summary="all_to_all_single takes even splits only.",
        message="alltoall_base: Only even split sizes are supported. Got {which}_split_sizes: {sizes}",
        sources=("T-DIST", "T-SPEC"),
        evidence="B",
        note="April's source accepts explicit sizes only if each is 1. Equal sizes of any length are accepted here.",
    ),
    Policy(
        name="subgroup_barrier",
        summary="barrier works on the default group only: all_reduce a number on a sub-group.",
        message="Barrier is implemented only for default group, called barrier on {group}",
        sources=("T-DIST", "T-SPEC"),
        evidence="B",
    ),
    Policy(
        name="replica_groups",
        summary="Collectives take groups of 4, 8, 16 or a multiple of 32 ranks.",
        message="Neuron not support replica_group out of list [4, 8, 16 and 32 divisible], got {size} ranks",
        sources=("T-SPEC", "DIFFLET"),
        evidence="B",
        default=OFF,
        modes=(OFF, STRICT),
        note="A limit of the runtime in April, met on two-process runs, too, which 2.33 does not mention. "
        "Off, so that two processes are enough to test with.",
    ),
    Policy(
        name="send_recv",
        summary="April's backend had no send and recv; 2.33 lists pipeline parallelism, which needs them.",
        message="No backend type associated with device type neuron",
        sources=("D-TN", "T-DIST", "T-SPEC"),
        evidence="A",
        default=OFF,
        modes=(OFF, STRICT),
        note="The documents contradict one another; the newest counts.",
    ),
    Policy(
        name="recv_any_source",
        summary="recv from any source is not implemented.",
        message="recv_anysource is not implemented by the neuron backend",
        sources=("T-DIST",),
        evidence="B",
    ),
)

POLICIES = {policy.name: policy for policy in _ALL}
"""Every policy by its name."""
