"""Where the steps of a program end: loops that train or evaluate, told by their structure.

A lazy device runs nothing until it is told to, once a step. What a step is, a program says by its shape: the innermost
loop around a backward pass or an optimizer's step, or a loop without gradients that calls a model. A function that
steps, and that a loop of this file calls, hands its step on to that loop. Nothing is judged here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec

from porter.index.outline import dotted

Loop = ast.For | ast.AsyncFor | ast.While
Function = ast.FunctionDef | ast.AsyncFunctionDef
Owner = Function | ast.Module
Blocks = tuple[tuple[list[ast.stmt], int], ...]  # the blocks around a node, outermost first, with its place in each

OPTIMIZER, SCALER = "torch.optim.Optimizer", "torch.amp.GradScaler"
LOADER, MODULE, TENSOR = "torch.utils.data.DataLoader", "torch.nn.Module", "torch.Tensor"

_OF_OPTIMIZERS = frozenset({"zero_grad", "param_groups", "add_param_group"})
_OF_SCALERS = frozenset({"unscale_", "get_scale"})
_ALONG = frozenset({"step", "zero_grad", "update"})  # what goes with an optimizer's step, right behind it
_MOVES = frozenset({"to", "cuda"})
_NO_GRADIENTS = frozenset({"no_grad", "inference_mode"})
_PASSING = frozenset({"enumerate", "tqdm"})  # iterators around a loader
_MARKS = frozenset({"mark_step", "MpDeviceLoader", "ParallelLoader"})  # of PyTorch/XLA, beside `torch_xla.sync`


class Facts(Protocol):
    """What the rest of the index knows of expressions in a function."""

    def type_of(self, node: ast.expr, owner: Owner) -> str:
        """The class of what an expression yields; empty where it is not known."""

    def name_of(self, node: ast.expr, owner: Owner) -> str:
        """The qualified name that an expression spells; empty where it is not known."""

    def is_variable(self, node: ast.Name, owner: Owner) -> bool:
        """Whether a name is a variable or parameter: no import, function, class or builtin."""

    def is_framework(self, qualified: str) -> bool:
        """Whether a class is one of a framework that steps, and marks its steps, by itself."""

    def bases(self, node: ast.ClassDef) -> list[str]:
        """The classes that a class is derived from, as far as they are known."""


class OptimizerStep(msgspec.Struct, frozen=True):
    """``optimizer.step()``, ``scaler.step(optimizer)``."""

    call: ast.Call
    optimizer: ast.expr
    closure: bool


class Step(msgspec.Struct, frozen=True):
    """One step of a program, and where it ends.

    ========== =============================================================================================
    training   a backward pass, an optimizer's step, or both
    evaluation a model is called, without gradients
    open       porter does not see where the step ends: ``why``
    ========== =============================================================================================
    """

    kind: str
    node: ast.expr | ast.stmt  # what shows it: the last optimizer's step, the last backward pass, or the loop
    last: ast.stmt | None = None  # the last statement of the step
    loader: ast.expr | None = None  # the `DataLoader` of its loop, if all of a batch is moved to the device at once
    why: str = ""


class _Event(msgspec.Struct, frozen=True, eq=False):
    kind: str  # backward, step, call
    node: ast.Call
    blocks: Blocks
    loops: tuple[Loop, ...]


class _Body(msgspec.Struct, eq=False):
    """What one function does, or the module outside of functions."""

    name: str
    owner: Owner
    events: list[_Event] = []
    evaluations: list[Loop] = []
    opens: list[Step] = []
    unknown: list[ast.Attribute] = []  # what may be an optimizer's step
    marked: bool = False  # it marks its steps already, or has somebody who does

    @property
    def steps(self) -> bool:
        """Whether an optimizer steps here."""
        return any(event.kind == "step" for event in self.events)


class Loops:
    """The steps of one file: ``steps``, and ``optimizers`` with all that optimizers step."""

    def __init__(self, tree: ast.Module, facts: Facts) -> None:
        """Looks at once."""
        self.facts = facts
        self.optimizers: list[OptimizerStep] = []
        self.used: dict[str, set[str]] = {}  # by the text of a receiver: the attributes read from it
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and (name := dotted(node.value)) is not None:
                self.used.setdefault(name, set()).add(node.attr)
        self._bodies: dict[str, _Body] = {}
        self._calls: dict[str, list[tuple[_Event, _Body]]] = {}  # of functions of this file
        self._read(tree, "")
        for body in self._bodies.values():
            for event in body.events:
                if event.kind == "call" and (called := self._called(event.node, body)) is not None:
                    self._calls.setdefault(called, []).append((event, body))
        self.steps = [step for body in self._bodies.values() if not body.marked for step in self._steps(body)]

    def _read(self, owner: Owner, name: str) -> None:
        body = self._bodies[name] = _Body(name, owner)
        reader = _Reader(self, body)
        off = any(_is_without_gradients(decorator) for decorator in getattr(owner, "decorator_list", ()))
        reader.block(owner.body, (), (), off)
        for inner, qualified in reader.functions:
            self._read(inner, qualified)

    # -- from functions to steps ---------------------------------------------------------------

    def _steps(self, body: _Body) -> Iterator[Step]:
        yield from body.opens
        if body.opens:
            return
        events = [e for e in body.events if e.kind != "call" or self._hands_on(e, body)]
        steps = any(event.kind != "backward" for event in events)
        training = {loop for event in events for loop in event.loops}
        for loop in dict.fromkeys(_innermost(event) for event in events):
            here = [event for event in events if _innermost(event) is loop]
            if steps and (loop is not None or any(e.kind != "backward" for e in here)):
                if (loop is not None or not self._taken_up(body.name)) and (step := self._training(here, loop, body)):
                    yield step
            elif not steps:
                yield from self._without_optimizer(here, body)
        for loop in body.evaluations:
            if loop not in training and not isinstance(loop.body[-1], ast.Return | ast.Break):
                yield Step("evaluation", loop, loop.body[-1], self._loader(loop, body))

    def _without_optimizer(self, events: list[_Event], body: _Body) -> Iterator[Step]:
        """A backward pass where no optimizer steps: somewhere else, or by another name."""
        if body.unknown:
            called = body.unknown[0]
            why = f"nothing shows whether `{ast.unparse(called.value)}`, which steps, is an optimizer"
            yield Step("open", called, why=why)
        elif events[-1].loops and not any(other.steps for other in self._bodies.values()):
            yield Step("open", events[-1].node, why="no optimizer that porter can see steps after it")

    def _training(self, events: list[_Event], loop: Loop | None, body: _Body) -> Step | None:
        """The step of a loop or function; None where it waits for the device anyway."""
        last = events[-1]
        node = next((event.node for event in reversed(events) if event.kind != "backward"), last.node)
        outer = loop.body if loop is not None else body.owner.body
        block, place = next(found for found in last.blocks if found[0] is outer)
        if _leaves(block[place], last.node):
            block, place = last.blocks[-1]
            if isinstance(block[place], ast.Return):
                return Step("open", node, why="what the step yields is returned at once")
        while place + 1 < len(block) and _goes_along(block[place + 1]):
            place += 1
        if any(_waits(statement) for statement in block[place + 1 :]):
            return None
        direct = loop is not None and all(event.kind != "call" for event in events)
        return Step("training", node, block[place], self._loader(loop, body) if loop is not None and direct else None)

    def _loader(self, loop: Loop, body: _Body) -> ast.expr | None:
        """The `DataLoader` of a loop that always comes to its end, if what it yields is moved before it is used."""
        inner = [node for statement in loop.body for node in ast.walk(statement)]
        if not isinstance(loop, ast.For) or any(isinstance(n, Loop | ast.Break | ast.Return) for n in inner):
            return None
        iterated, target = loop.iter, loop.target
        while isinstance(iterated, ast.Call) and iterated.args:
            name = (dotted(iterated.func) or "").rpartition(".")[2]
            if name not in _PASSING:
                break
            if name == "enumerate":
                if not isinstance(target, ast.Tuple) or len(target.elts) != 2:
                    return None
                target = target.elts[1]
            iterated = iterated.args[0]
        if self.facts.type_of(iterated, body.owner) != LOADER:
            return None
        names = [node.id for node in ast.walk(target) if isinstance(node, ast.Name) and node.id != "_"]
        return iterated if names and all(_is_moved(name, loop.body) for name in names) else None

    # -- calls within the file -----------------------------------------------------------------

    def _called(self, call: ast.Call, body: _Body) -> str | None:
        """The function of this file that is called: by its name, or as a method of ``self``."""
        name = dotted(call.func) or ""
        around = body.name.split(".")
        owners = [".".join([*around[:depth], ""]) if depth else "" for depth in range(len(around), -1, -1)]
        name, owners = (name[5:], owners[1:-1]) if name.startswith("self.") else (name, owners)
        return next((owner + name for owner in owners if name and owner + name in self._bodies), None)

    def _hands_on(self, event: _Event, body: _Body) -> bool:
        """Whether a call is of a function that steps outside of loops, and leaves the step to its callers."""
        called = self._called(event.node, body)
        return called is not None and self._steps_once(called, frozenset()) and self._taken_up(called)

    def _steps_once(self, name: str, seen: frozenset[str]) -> bool:
        """Whether a function steps outside of any loop of its own, itself or through others."""
        body = self._bodies[name]
        if name in seen or body.marked or body.opens:
            return False
        for event in (event for event in body.events if not event.loops):
            called = self._called(event.node, body) if event.kind == "call" else None
            if event.kind == "step" or (called is not None and self._steps_once(called, seen | {name})):
                return True
        return False

    def _taken_up(self, name: str, seen: frozenset[str] = frozenset()) -> bool:
        """Whether a loop of this file calls the function, directly or through others, or a step by its name."""
        if name in seen:
            return False
        calls = self._calls.get(name, ())
        taken = any(event.loops or self._taken_up(body.name, seen | {name}) for event, body in calls)
        return taken or self._is_stepped(name)

    def _is_stepped(self, name: str) -> bool:
        """Whether a method is called like one that steps in a loop: of an optimizer or scaler of the program's own."""
        owner, _, method = name.rpartition(".")
        elsewhere = (event for body in self._bodies.values() if body.name != name for event in body.events)
        steps = (event.node.func for event in elsewhere if event.kind == "step" and event.loops)
        return bool(owner) and any(isinstance(step, ast.Attribute) and step.attr == method for step in steps)


class _Reader:
    """Reads the statements of one function."""

    def __init__(self, loops: Loops, body: _Body) -> None:
        self._loops = loops
        self._facts = loops.facts
        self._body = body
        self.functions: list[tuple[Function, str]] = []

    def block(self, block: list[ast.stmt], around: Blocks, loops: tuple[Loop, ...], off: bool) -> None:
        """Read the statements of a block. ``off``: they run without gradients."""
        for place, statement in enumerate(block):
            if isinstance(statement, Function | ast.ClassDef):
                self._definition(statement)
                continue
            here = (*around, (block, place))
            for part in _own_parts(statement):
                self._expressions(part, here, loops)
            within = off or any(_is_without_gradients(i.context_expr) for i in getattr(statement, "items", ()))
            inner = loops
            if isinstance(statement, Loop):
                inner = (*loops, statement)
                if within and self._calls_model(statement):
                    self._body.evaluations.append(statement)
            for field in ("body", "orelse", "finalbody"):
                self.block(getattr(statement, field, []), here, inner if field == "body" else loops, within)
            for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
                self.block(part.body, here, loops, within)

    def _definition(self, node: Function | ast.ClassDef) -> None:
        prefix = f"{self._body.name}." if self._body.name else ""
        if isinstance(node, Function):
            self.functions.append((node, f"{prefix}{node.name}"))
        elif not any(self._facts.is_framework(base) for base in self._facts.bases(node)):
            methods = (inner for inner in node.body if isinstance(inner, Function))
            self.functions += ((inner, f"{prefix}{node.name}.{inner.name}") for inner in methods)

    def _expressions(self, part: ast.AST, blocks: Blocks, loops: tuple[Loop, ...]) -> None:
        for node in ast.walk(part):
            if isinstance(node, ast.Call):
                name = (dotted(node.func) or "").rpartition(".")[2]
                if name in _MARKS or self._facts.name_of(node.func, self._body.owner) == "torch_xla.sync":
                    self._body.marked = True
                function = node.func
                kind = self._kind(node, function) if isinstance(function, ast.Attribute) else "call"
                self._body.events.append(_Event(kind, node, blocks, loops))

    def _kind(self, call: ast.Call, function: ast.Attribute) -> str:
        if function.attr == "backward" and self._is_backward(call, function):
            return "backward"
        if function.attr == "step":
            found = self._optimizer_step(call, function)
            if found is not None:
                self._loops.optimizers.append(found)
                if found.closure:
                    why = "the optimizer is given a closure, which it calls as often as it likes"
                    self._body.opens.append(Step("open", call, why=why))
                return "step"
            if not call.args and not self._facts.type_of(function.value, self._body.owner):
                self._body.unknown.append(function)
        return "call"

    def _is_backward(self, call: ast.Call, function: ast.Attribute) -> bool:
        known = self._facts.type_of(function.value, self._body.owner)
        if known == TENSOR or dotted(function) == "torch.autograd.backward":
            return True
        if self._facts.is_framework(known):
            self._body.marked = True
        elif call.args:
            why = f"nothing shows what `{ast.unparse(function)}` is: a framework's marks its steps itself"
            self._body.opens.append(Step("open", call, why=why))
        else:
            return not isinstance(function.value, ast.Call) or dotted(function.value.func) != "super"
        return False

    def _optimizer_step(self, call: ast.Call, function: ast.Attribute) -> OptimizerStep | None:
        known = self._facts.type_of(function.value, self._body.owner)
        uses = self._loops.used.get(dotted(function.value) or "", set())
        if call.args and (known == SCALER or uses & _OF_SCALERS or {"scale", "update"} <= uses):
            return OptimizerStep(call, call.args[0], closure=False)
        if known == OPTIMIZER or (not known.startswith("torch.") and uses & _OF_OPTIMIZERS):
            return OptimizerStep(call, function.value, closure=bool(call.args or call.keywords))
        return None

    def _calls_model(self, loop: Loop) -> bool:
        """Whether a loop itself, and none within it, calls a module: one that is known, or a variable.

        Modules that it runs over are layers, or an ensemble: they make a step of the loop around it, and none of it.
        """
        own = set() if isinstance(loop, ast.While) else _names(loop.target)
        inner = (n for n in _outside_loops(loop.body) if isinstance(n, ast.For) and not own & _names(n.iter))
        return any(not own & used for used in self._models(loop)) or any(
            _names(within.target) & used for within in inner for used in self._models(within)
        )

    def _models(self, loop: Loop) -> Iterator[set[str]]:
        """The names in each expression for a module that a loop itself calls."""
        for function in (node.func for node in _outside_loops(loop.body) if isinstance(node, ast.Call)):
            variable = isinstance(function, ast.Name) and self._facts.is_variable(function, self._body.owner)
            if variable or self._facts.type_of(function, self._body.owner) == MODULE:
                yield _names(function)


def _innermost(event: _Event) -> Loop | None:
    return event.loops[-1] if event.loops else None


def _outside_loops(block: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All nodes of a block but for the bodies of its loops."""
    for node in block:
        yield node
        inner = ast.iter_child_nodes(node)
        yield from _outside_loops(n for n in inner if not (isinstance(node, Loop) and n in (*node.body, *node.orelse)))


def _names(node: ast.AST) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def _own_parts(statement: ast.stmt) -> Iterator[ast.AST]:
    """The expressions of a statement itself, without the blocks that it holds."""
    for child in ast.iter_child_nodes(statement):
        if not isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield child


def _is_without_gradients(node: ast.expr) -> bool:
    name = dotted(node.func) if isinstance(node, ast.Call) else dotted(node)
    return (name or "").rpartition(".")[2] in _NO_GRADIENTS


def _goes_along(statement: ast.stmt) -> bool:
    """Whether a statement behind an optimizer's step belongs to it: ``scaler.update()``, ``scheduler.step()``."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return False
    return call.func.attr in _ALONG and not (call.func.attr == "update" and call.args)  # no meter: `time.update(x)`


def _waits(statement: ast.stmt) -> bool:
    """Whether a statement waits for the device, which is a boundary."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and (dotted(call.func) or "").endswith("cuda.synchronize")


def _leaves(statement: ast.stmt, event: ast.Call) -> bool:
    """Whether a statement may leave its block behind the event that it holds."""
    exits = (node for node in ast.walk(statement) if isinstance(node, ast.Return | ast.Continue | ast.Break))
    behind = ((node.lineno, node.col_offset) > (event.lineno, event.col_offset) for node in exits)
    return isinstance(statement, ast.Return) or any(behind)


def _is_moved(name: str, block: list[ast.stmt]) -> bool:
    """Whether the first statement that reads a name moves it to a device."""
    for statement in block:
        nodes = list(ast.walk(statement))
        if any(isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load) for node in nodes):
            calls = (node.func for node in nodes if isinstance(node, ast.Call))
            moved = any(isinstance(function, ast.Attribute) and function.attr in _MOVES for function in calls)
            return moved and isinstance(statement, ast.Assign)
    return False
