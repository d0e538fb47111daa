"""A site: one place in a file that may tie it to CUDA, with every fact a rule needs.

The index (for Python) and the scanners in `porter.sources.files` (for all other files) yield
sites; rules judge them. A site holds no syntax tree: it can be cached and sent between processes.
All offsets are byte offsets into ``Source.text`` (UTF-8, no byte order mark).
"""

from __future__ import annotations

import msgspec

# What ``Site.kind`` may be, and what ``Site.name`` then holds. The catalogue's rows use the same kinds.
KINDS = {
    "step": "what a training or evaluation step of a program ends with: training step, optimizer.step",
    "symbol": "qualified Python name: torch.cuda.synchronize, torch.Tensor.cuda, flash_attn.flash_attn_func",
    "method": "attribute whose receiver's type is not known, with a leading dot: .cuda",
    "argument": "argument of a known callable: torch.compile(mode), .to(device)",
    "device": "device string: cuda, cuda:0, cuda:{}, cuda{}",
    "backend": "process group backend string: nccl, cpu:gloo,cuda:nccl",
    "string": "other telling literal: torch.cuda.FloatTensor, CUDAExecutionProvider, cuda_time_total",
    "environment": "environment variable: CUDA_VISIBLE_DEVICES",
    "requirement": "normalised distribution name: flash-attn, nvidia-cublas-cu12",
    "container": "container image or option: nvidia/cuda:12.4.0-devel, --gpus",
    "command": "program or launcher option: nvidia-smi, torchrun --nproc_per_node",
    "config": "configuration key and value: device: cuda, fp16: true",
    "resource": "cluster resource: nvidia.com/gpu, --gres=gpu",
    "native": "CUDA C++, PTX or build construct: __global__, ATen/cuda, is_cuda(), nvcc",
}


class Argument(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """One argument of a call. ``keyword`` is None when positional, ``*`` or ``**`` when unpacked."""

    keyword: str | None
    start: int  # of the value
    end: int
    literal: str | int | float | bool | None = None  # when the value is a constant
    is_literal: bool = False  # tells a literal None from "not a constant"
    symbol: str | None = None  # qualified name when the value is a resolved name: torch.float16
    place: str | None = None  # see `porter.index.flow`: where the value lives, if in a variable
    type: str | None = None  # qualified class of the value, if known


class Call(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """The call whose function is the site: ``start:end`` covers ``f(...)``."""

    start: int
    end: int
    arguments: tuple[Argument, ...] = ()

    def get(self, keyword: str, position: int | None = None) -> Argument | None:
        """The argument passed as ``keyword=``, or at ``position`` (from 0); None where absent."""
        for argument in self.arguments:
            if argument.keyword == keyword:
                return argument
        if position is not None:
            for i, argument in enumerate(self.arguments):
                if argument.keyword is not None:
                    return None
                if i == position:
                    return argument
        return None

    @property
    def unpacked(self) -> bool:
        """Whether ``*args`` or ``**kwargs`` may hide arguments."""
        return any(a.keyword in ("*", "**") for a in self.arguments)


class Receiver(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """The object before the dot of a method or attribute."""

    start: int
    end: int
    type: str | None  # torch.Tensor, torch.nn.Module, a class of the repository, or None
    why: str  # "constructed by torch.zeros, line 4": shown to the reader
    place: str | None = None
    beside: str | None = None  # the class that the methods used beside it speak for, where `type` may lead nowhere


class Statement(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """The innermost statement around a site (for compound statements: its header)."""

    start: int
    end: int
    kind: str  # ast class name: Expr, Assign, With, If, Return, ...
    alone: bool = False  # the site, or its call, is the whole statement or the whole assigned value
    siblings: int = 1  # statements in the same block: deleting the only one leaves no body


class Guard(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """A condition under which a site runs. Innermost first in ``Site.guards``.

    kind      meaning
    cuda      runs only where CUDA is present: ``if torch.cuda.is_available()``, ``device.type == "cuda"``
    else      runs where CUDA is absent
    after     behind a branch that leaves where CUDA is absent: ``if not torch.cuda.is_available(): return``
    handled   in a chain of branches that has an arm for Neuron already
    vendors   in a chain with arms for other accelerators (xla, npu, xpu, hpu, mps)
    mention   in the arm of a test that speaks of CUDA among other things: ``is_available() or FORCE_CUDA``
    entry     the value of an entry for CUDA in a table
    import    in ``try`` with a handler for ImportError or a wider one
    fallback  in such a handler: runs only where the import before it fails
    old       in the arm of a test of versions or names: runs only with a PyTorch older than Neuron's
    test      under a skip decorator, ``pytest.mark`` or the like
    types     under ``if TYPE_CHECKING``
    elsewhere runs on Apple's or AMD's GPUs only: ``device == "mps"``, ``torch.version.hip``
    """

    kind: str
    start: int  # of the condition
    end: int
    vendors: tuple[str, ...] = ()  # accelerators that the chain's other arms name
    has_else: bool = False  # behind this arm the chain ends in an ``else`` for the rest, or the ``try`` has a handler


class Site(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True, cache_hash=True):
    """One place that may tie a file to CUDA."""

    kind: str
    name: str
    start: int
    end: int
    line: int  # from 1, in ``Source.text``
    role: str = "load"  # load, call, store, delete, import, decorator, base, annotation, test, text
    alias: int | None = None  # offset of the import alias or assignment it was named through; None: from its root
    call: Call | None = None
    receiver: Receiver | None = None
    statement: Statement | None = None
    scope: str = ""  # Trainer.fit; empty at module level
    guards: tuple[Guard, ...] = ()
    in_loop: bool = False
    parent: str = ""  # ast class of the enclosing expression, for precedence: Compare, BoolOp, Attribute, ...
    place: str | None = None  # strings: the place they flow into; calls: the place their result is bound to
    use: str = ""  # strings: how the literal is used at once; see `porter.index.flow`
    detail: str = ""  # free text for the message: the callee, the key, the compared expression
    sink: str | None = None  # strings: "device" or "backend" where the literal itself stands in such a position
    certain: bool = True  # False where porter followed a name into more than one definition, or only presumes a sink
    editable: bool = True  # False where the offsets are not exact (inside f-strings before Python 3.12)

    def inside(self, scope: str) -> bool:
        """Whether the site stands in what is called ``scope``, or in something defined there; all stand in ``""``."""
        return not scope or f"{self.scope}.".startswith(f"{scope}.")
