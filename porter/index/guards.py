"""What a condition says about the device that the code below it runs on."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from porter.index.scope import spelled
from porter.index.site import Guard

# Words in names and strings that stand for an accelerator. Used to leave code alone, never to edit it.
_VENDOR = re.compile(
    r"(?:^|[^a-z]|(?<![a-z])n(?=gpu))"
    r"(neuronx?|xla|tpu|npu|xpu|hpu|mps|mlu|musa|hip|rocm|cuda|gpu|xccl|hccl|cncl|mccl)s?(?:[^a-z]|$)",
    re.I,
)
VENDOR_BYTES = re.compile(rb"neuron|xla|tpu|npu|xpu|hpu|mps|mlu|musa|hip|rocm|cuda|gpu|xccl|hccl|cncl|mccl", re.I)
OTHER_BYTES = re.compile(
    rb"version|hasattr\(torch|TORCH_(?:\w*GREATER|\d)|TYPE_CHECKING|HAVE|HAS_|AVAILABLE|_INSTALLED", re.I
)
_PRESENT = re.compile(r"\b_?(?:HAVE|HAS)_[A-Z]|_AVAILABLE\b|\b_?is_\w+_available\b|\bhas_[a-z]\w+\b|\w_installed\b")
_THERE = re.compile(  # a device, and no package
    r"(?:self\.)?_?(?:(?:HAVE|HAS)_(?:CUDA|GPU)|(?:CUDA|GPU)_(?:IS_)?AVAILABLE)"
    r"|(?:\w+\.)*is_(?:torch_)?(?:cuda|gpu)_available\(\)",
    re.I,
)
_ASKS = frozenset(
    {
        "torch.cuda.is_available",
        "torch.cuda.is_initialized",
        "transformers.utils.is_torch_cuda_available",
        "transformers.utils.import_utils.is_torch_cuda_available",
        "accelerate.utils.is_cuda_available",
        "accelerate.utils.imports.is_cuda_available",
    }
)
_VERSION = re.compile(r"torch.*__version__|TORCH_?VERSION|torch_version", re.I)
_VERSION_CALL = re.compile(r"torch_version|version_torch", re.I)
_VERSION_FLAG = re.compile(
    r"TORCH_\w*(?:GREATER|AFTER|ATLEAST|GE_)|\bTORCH_\d+(?:_\d+)+$|is_torch_\w*(?:ge|greater)", re.I
)
_SERVER = frozenset({"xla", "tpu", "npu", "xpu", "hpu", "mlu", "musa", "xccl", "hccl", "cncl", "mccl"})
_NEURON = frozenset({"neuron", "neuronx"})
_AMD = frozenset({"hip", "rocm"})
_ROCM = re.compile(r"(?:^|\.)(?:version\.hip|_?is_(?:hip|rocm)(?:_\w+)?)$", re.I)
Qualify = Callable[[ast.expr], "str | None"]


class Condition(msgspec.Struct, frozen=True):
    """What a test asks for. ``cuda`` is +1 if it holds only with CUDA, -1 if only without, 0 if it does not say."""

    cuda: int
    vendors: frozenset[str]
    otherwise: int = 0  # like ``cuda``, where the test fails
    mentions: bool = False  # it speaks of CUDA, whatever it makes of it
    asks: str = ""  # "types" for type checkers, "import" for whether a package is there
    modern: int = 0  # +1 if it holds for every PyTorch that Neuron runs on, -1 if for none
    elsewhere: bool = False  # it holds on Apple's or on AMD's GPUs only


NEUTRAL = Condition(0, frozenset())


def condition(test: ast.expr, qualify: Qualify) -> Condition:
    """Classify a test expression."""
    vendors: set[str] = set()
    for node in ast.walk(test):
        vendors.update(_words(node))
    cuda, otherwise = _cuda(test, qualify)
    mentions = bool(vendors & {"gpu", "cuda"})
    others = frozenset(vendors - {"gpu", "cuda"})
    elsewhere = (others == {"mps"} and _is_apple(test)) or (not mentions and others <= _AMD and _is_amd(test))
    return Condition(cuda, others, otherwise, mentions, _asks(test), _modern(test, qualify), elsewhere)


def _is_apple(test: ast.expr) -> bool:
    """``device == "mps"``, ``device.startswith("mps")`` or ``torch.backends.mps.is_available()``, perhaps with more."""
    match test:
        case ast.BoolOp(op=ast.And(), values=values):
            return any(map(_is_apple, values))
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            return any(isinstance(side, ast.Constant) and side.value == "mps" for side in (left, right))
        case ast.Call(func=ast.Attribute(attr="startswith"), args=[ast.Constant(value="mps")]):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="mps"), attr="is_available")):
            return True
    return False


def _is_amd(test: ast.expr) -> bool:
    """``device == "hip"``, ``torch.version.hip is not None`` or ``is_rocm()``, perhaps with more."""
    match test:
        case ast.BoolOp(op=ast.And(), values=values):
            return any(map(_is_amd, values))
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            return any(isinstance(side, ast.Constant) and side.value in _AMD for side in (left, right))
        case ast.Compare(left=inner, ops=[ast.IsNot()]) | ast.Call(func=inner, args=[], keywords=[]) | inner:
            return _ROCM.search(spelled(inner)) is not None
    return False


def _asks(test: ast.expr) -> str:
    """Whether a test is for type checkers, or asks for a package by a flag or predicate of the program's own."""
    text = spelled(test)
    if text.endswith("TYPE_CHECKING"):
        return "types"
    asks = not isinstance(test, ast.UnaryOp) and _PRESENT.search(text) and not _THERE.fullmatch(text)
    return "import" if asks else ""


def _modern(test: ast.expr, qualify: Qualify) -> int:
    """What a test of PyTorch's version comes to: Neuron needs 2.13."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return -_modern(test.operand, qualify)
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Name) and test.func.id == "hasattr" and test.args:
        owner = qualify(test.args[0]) or ""
        return 1 if owner == "torch" or owner.startswith("torch.amp") else 0
    if isinstance(test, ast.Call) and _VERSION_CALL.search(ast.unparse(test.func)) and test.args:
        operator = test.args[0].value if isinstance(test.args[0], ast.Constant) else ""
        return {">=": 1, ">": 1, "<": -1, "<=": -1}.get(operator, 0) if isinstance(operator, str) else 0
    match test:
        case ast.Call(ast.Attribute(version, "startswith"), [ast.Constant(str(text))]) if _VERSION.search(
            ast.unparse(version)
        ):
            return 1 if text in ("2", "2.") else -1 if text[:1] in ("0", "1") else 0
    if isinstance(test, ast.Name) and _VERSION_FLAG.search(test.id):
        return 1
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and _VERSION.search(ast.unparse(test.left))):
        return 0
    return {ast.Lt: -1, ast.LtE: -1, ast.Gt: 1, ast.GtE: 1}.get(type(test.ops[0]), 0)


def _words(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Attribute):
        text = node.attr
    elif isinstance(node, ast.Name):
        text = node.id
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 40:
        text = node.value
    else:
        return []
    return [word.lower() for word in _VENDOR.findall(text)]


def _cuda(test: ast.expr, qualify: Qualify) -> tuple[int, int]:
    """What a test says of CUDA where it holds, and where it fails."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        holds, fails = _cuda(test.operand, qualify)
        return fails, holds
    if isinstance(test, ast.BoolOp):
        parts = [_cuda(value, qualify) for value in test.values]
        where_true, where_false = {part[0] for part in parts}, {part[1] for part in parts}
        if isinstance(test.op, ast.And):
            return _agreed(where_true - {0}), _agreed(where_false)  # all hold, or one fails
        return _agreed(where_true), _agreed(where_false - {0})
    if isinstance(test, ast.Call):
        name = qualify(test.func)
        prefix = isinstance(test.func, ast.Attribute) and test.func.attr == "startswith" and test.args
        asks = name in _ASKS or (prefix and _is_cuda_text(test.args[0]))
        return (1, -1) if asks else (0, 0)
    if isinstance(test, ast.Attribute):
        asks = test.attr == "is_cuda" or qualify(test) == "torch.version.cuda"
        return (1, -1) if asks else (0, 0)
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return _compared(test, qualify)
    return 0, 0


def _agreed(said: set[int]) -> int:
    """What all that is said comes to; 0 where it differs."""
    return next(iter(said)) if len(said) == 1 else 0


def _compared(test: ast.Compare, qualify: Qualify) -> tuple[int, int]:
    if (told := truth(test)) is not None:
        holds, fails = _cuda(test.left, qualify)
        return (holds, fails) if told else (fails, holds)
    if isinstance(test.ops[0], ast.Is | ast.IsNot):
        there, missing = (1, -1) if isinstance(test.ops[0], ast.IsNot) else (-1, 1)
        return (there, missing) if qualify(test.left) == "torch.version.cuda" else (0, 0)
    if not any(_is_cuda_text(side) for side in (test.left, test.comparators[0])):
        return 0, 0
    if isinstance(test.ops[0], (ast.NotEq, ast.NotIn)):
        return -1, 1
    return (1, -1) if isinstance(test.ops[0], (ast.Eq, ast.In)) else (0, 0)


def truth(test: ast.Compare) -> bool | None:
    """What ``x is False`` says of ``x``: whether it is true. None for any other comparison."""
    match test:
        case ast.Compare(ops=[ast.Is() | ast.Eq()], comparators=[ast.Constant(bool(value))]):
            return value
        case ast.Compare(ops=[ast.IsNot() | ast.NotEq()], comparators=[ast.Constant(bool(value))]):
            return not value
    return None


def _is_cuda_text(node: ast.expr) -> bool:
    if isinstance(node, ast.Call) and node.args:
        node = node.args[0]
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("cuda")


_CPU = re.compile(r"(?:^|[._])cpu(?![a-z])|CPU")


def chain(node: ast.If | ast.IfExp, classify: Callable[[ast.expr], Condition]) -> tuple[list[Condition], bool]:
    """The conditions of an ``if``/``elif`` chain or nested ternaries, and whether it ends in an ``else`` for the rest.

    An ``else`` that fails serves nobody, and one that takes the CPU none but the CPU.
    """
    conditions: list[Condition] = []
    current: ast.If | ast.IfExp = node
    while True:
        conditions.append(classify(current.test))
        orelse = current.orelse
        if isinstance(orelse, list):
            if len(orelse) == 1 and isinstance(orelse[0], ast.If):
                current = orelse[0]
                continue
            return conditions, bool(orelse) and _serves(orelse)
        if isinstance(orelse, ast.IfExp):
            current = orelse
            continue
        return conditions, not _is_cpu(orelse)


def _serves(body: list[ast.stmt]) -> bool:
    """Whether a block neither fails nor takes the CPU: ``device = torch.device("cpu")``, ``return "cpu"``."""
    values = (node.value for node in body if isinstance(node, ast.Assign | ast.AnnAssign | ast.Return))
    return not isinstance(body[-1], ast.Raise) and not any(value is not None and _is_cpu(value) for value in values)


def _is_cpu(node: ast.expr) -> bool:
    """Whether a value is the CPU's: ``"cpu"``, ``torch.device("cpu")``, ``CPUAccelerator.devices()``, ``x.cpu()``."""
    if isinstance(node, ast.Call):
        given = any(isinstance(a, ast.Constant) and a.value == "cpu" for a in node.args)
        return given or _CPU.search(ast.unparse(node.func)) is not None
    return isinstance(node, ast.Constant) and node.value == "cpu"


def arm(conditions: list[Condition], index: int, has_else: bool, start: int, end: int) -> Guard | None:
    """The guard on arm ``index`` of a chain (``index == len(conditions)`` is the final else, with none behind it)."""
    if all(c is NEUTRAL for c in conditions):
        return None
    has_else = has_else and index < len(conditions)
    if any(c.modern > 0 for c in conditions[:index]) or (index < len(conditions) and conditions[index].modern < 0):
        return Guard("old", start, end, (), has_else)
    vendors = frozenset().union(*(c.vendors for c in conditions))
    own = conditions[index].vendors if index < len(conditions) else frozenset()
    own = own - _AMD if index < len(conditions) and conditions[index].mentions else own  # an arm of CUDA's and AMD's
    others = tuple(sorted(vendors))
    if vendors & _NEURON:
        return Guard("handled", start, end, others, has_else)
    cuda = conditions[index].cuda if index < len(conditions) else _last(conditions)
    if (vendors & _SERVER) and (cuda > 0 or not own or any(c.cuda > 0 for c in conditions)):
        return Guard("vendors", start, end, others, has_else)
    if cuda > 0:
        return Guard("cuda", start, end, others, has_else)
    if cuda < 0:
        return Guard("else", start, end, others, has_else)
    if index < len(conditions) and conditions[index].elsewhere:
        return Guard("elsewhere", start, end, others, has_else)
    if index < len(conditions) and conditions[index].asks and not vendors:
        return Guard(conditions[index].asks, start, end, (), has_else)
    if index < len(conditions) and conditions[index].mentions:
        return Guard("mention", start, end, others, has_else)
    return None


def _last(conditions: list[Condition]) -> int:
    """What a final ``else`` says of CUDA: that it is absent where an arm is for it, else what a failing test says."""
    if any(c.cuda > 0 for c in conditions):
        return -1
    return max((c.otherwise for c in conditions), default=0)


def denied(conditions: list[Condition], index: int, start: int, end: int) -> Guard | None:
    """The guard on the arms behind one for machines without CUDA: ``if not available: ... elif late: ...``."""
    if conditions[index].otherwise <= 0 or any(c.vendors for c in conditions):
        return None
    return Guard("cuda", start, end, (), True)


def whole(conditions: list[Condition], has_else: bool, start: int, end: int) -> Guard | None:
    """The guard on a chain's own tests: where it serves Neuron or several vendors, they stay."""
    guard = arm(conditions, 0, has_else, start, end)
    return guard if guard is not None and guard.kind in ("handled", "vendors") else None


class Row(NamedTuple):
    """A row of ``if``s: the accelerators that it tells apart, and whether what follows it serves the rest."""

    vendors: frozenset[str] = frozenset()
    has_else: bool = True


def row(body: list[ast.stmt], first: int, classify: Callable[[ast.expr], Condition]) -> tuple[int, Row]:
    """Where the row of ``if``s ends that starts at ``first``, and what it tells apart.

    Such a row is a chain by other means: each ``if`` leaves the block, or all compare one value with words.
    """
    last, subject = first, None
    vendors: set[str] = set()
    if not isinstance(body[min(first + 1, len(body) - 1)], ast.If):
        return last, Row()
    while last < len(body) and isinstance(node := body[last], ast.If) and not node.orelse:
        compared = _subject(node.test)
        if not exits(node.body) and (compared is None or (last > first and compared != subject)):
            break
        subject = compared
        vendors |= classify(node.test).vendors
        last += 1
    if last - first < 2 or not vendors & (_SERVER | _NEURON):
        return last, Row()
    return last, Row(frozenset(vendors), last == len(body) or _serves(body[last : last + 1]))


def in_row(told: Condition, node: ast.If, around: Row, start: int, end: int) -> Guard | None:
    """The guard on one ``if`` of a row: that for CUDA stays beside those for others."""
    vendors = around.vendors
    if not vendors or told.vendors or not (told.mentions or told.cuda > 0 or _subject(node.test) is not None):
        return None
    has_else = exits(node.body) and around.has_else
    return Guard("handled" if vendors & _NEURON else "vendors", start, end, tuple(sorted(vendors)), has_else)


def _subject(test: ast.expr) -> str | None:
    """What a test, or the first part of one, compares with a word."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        test = test.values[0]
    match test:
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[ast.Constant(value=str())]):
            return ast.unparse(left)
    return None


def exits(body: list[ast.stmt]) -> bool:
    """Whether what follows a block is not reached from it."""
    return isinstance(body[-1], (ast.Return, ast.Raise, ast.Continue, ast.Break))


def behind(node: ast.If, conditions: list[Condition], start: int, end: int) -> Guard | None:
    """The guard on what follows an ``if`` without ``else`` whose body leaves the block."""
    if node.orelse or not exits(node.body):
        return None
    if conditions[0].vendors & _NEURON:
        return Guard("handled", start, end, tuple(sorted(conditions[0].vendors)), True)
    fails = isinstance(node.body[-1], ast.Raise)  # otherwise the program goes on without what follows
    if not fails and isinstance(node.test, ast.UnaryOp) and _asks(node.test.operand) == "import":
        return Guard("import", start, end, (), True)  # `if not is_te_available(): return`
    kind = {1: "after" if fails else "cuda", -1: "else"}.get(conditions[0].otherwise)
    return Guard(kind, start, end, (), True) if kind is not None else None


def catches_import_error(node: ast.Try) -> bool:
    """Whether a ``try`` survives a missing package."""
    return _catches(node, {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


_MODERN = re.compile(rb"torch\.(?:amp|accelerator|autocast|get_autocast_dtype|is_autocast_enabled)\b")


def catches_missing_name(node: ast.Try, text: bytes, start: int, end: int) -> bool:
    """Whether a ``try``, whose body is ``text[start:end]``, survives names that older versions of PyTorch lack."""
    return _MODERN.search(text, start, end) is not None and _catches(node, {"AttributeError", "TypeError"})


def _catches(node: ast.Try, names: set[str]) -> bool:
    for handler in node.handlers:
        if isinstance(handler.body[-1], ast.Raise) or _ends_program(handler.body[-1]):
            continue  # says it better, and fails all the same
        if handler.type is None:
            return "Exception" in names
        types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        if any(isinstance(t, ast.Name) and t.id in names for t in types):
            return True
    return False


def _ends_program(node: ast.stmt) -> bool:
    called = node.value.func if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else None
    return called is not None and ast.unparse(called) in ("exit", "quit", "sys.exit", "os._exit")


_NEURON_PREDICATE = re.compile(rb"\bis_(?:torch_)?neuronx?\w*\(")


def serves_neuron(text: bytes, start: int, end: int) -> bool:
    """Whether a function asks for Neuron by a predicate of its own: it then knows what it does."""
    return _NEURON_PREDICATE.search(text, start, end) is not None


_SKIP = re.compile(r"skip|require|mark\.|slow|gpu|cuda|xfail|only", re.I)


def is_test_decorator(node: ast.expr) -> bool:
    """Whether a decorator decides if a test runs: ``pytest.mark.*``, ``unittest.skipIf``, ``require_cuda``."""
    target = node.func if isinstance(node, ast.Call) else node
    return getattr(target, "attr", "") != "parametrize" and bool(_SKIP.search(ast.unparse(target)))
