"""Whether an import or an alias can move: all of its uses together, or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from porter.rewrite.imports import Names
from porter.rules.base import named

Chain = tuple[str, ...]


class Alias(msgspec.Struct, frozen=True):
    """A local name for something of torch: ``from torch import cuda``, ``cuda = torch.cuda``."""

    written: str  # qualified name it stands for
    local: str
    keeps_name: bool  # bound by ``as`` or by assignment: its name is the program's own choice
    droppable: bool  # an import, which goes when nothing uses it

    @property
    def same(self) -> bool:
        """Whether ``as`` says no name of the program's own: ``import torch.cuda as cuda``."""
        return self.keeps_name and self.droppable and self.local == self.written.rpartition(".")[2]


class Use(msgspec.Struct, frozen=True):
    """A place that names something through an alias."""

    place: int  # of its judgement, for the caller
    line: int
    name: str  # qualified name
    spelled: Chain  # as it stands in the text; empty where that is no plain chain of names
    rename: str | None  # qualified name to write instead
    leaves: bool  # whether the edited use does without the old name
    exact: bool  # whether the name means this and nothing else, and its offsets can be trusted


class Move(msgspec.Struct, frozen=True):
    """The alias comes to stand for ``target``, or goes where that is None; ``spelled``: how its uses are written."""

    target: str | None
    spelled: dict[int, Chain]


class Stays(Exception):
    """The alias stays as it is; the message, for the reader, says what holds it."""


def decide(alias: Alias, uses: Sequence[Use], own: str | None, names: Names) -> Move:
    """How ``alias`` moves with all its ``uses``. ``own`` is the new name that its definition asks for.

    Raises Stays where a use needs the old name, or cannot be written under the new one.
    """
    for use in uses:
        if use.spelled[:1] != (alias.local,) or use.name != ".".join((alias.written, *use.spelled[1:])):
            raise Stays(f"line {use.line} names `{use.name}` through `{alias.written}`")
        if not use.leaves:
            raise Stays(f"line {use.line} needs `{use.name}`")
    renamed = [use for use in uses if use.rename is not None]
    if uses and not renamed and alias.droppable:
        return Move(None, {})
    target = _target(renamed, own)
    if uses and target is not None and alias.same and target.rpartition(".")[2] != alias.local:
        target = None  # the name would say what it no longer is
    local = alias.local if alias.keeps_name or target is None else target.rpartition(".")[2]
    if local != alias.local:
        ambiguous = names.bindings[alias.local] != 1 or not all(use.exact for use in uses)
        if ambiguous or names.taken(local):
            target = None
    if target is None and not (uses and alias.droppable):
        raise Stays("it cannot take a new name here")
    spelled = {use.place: _spelled(use, target, local, names) for use in renamed}
    for use in renamed:
        if spelled[use.place] != use.spelled and not use.exact:
            raise Stays(f"line {use.line} may mean something else by it")
    return Move(target, spelled)


def in_full(name: str, names: Names | None) -> Chain:
    """``name`` spelled from the file's own name for torch, else left for `porter.rewrite.needs` to spell."""
    root, *rest = name.split(".")
    if root == "torch" and names is not None and names.torch is not None:
        return (names.torch, *rest)
    return (named(name),) if rest else (name,)


def _target(renamed: Sequence[Use], own: str | None) -> str | None:
    """What the alias should stand for: what its definition asks for, if a use agrees, or what most uses ask for."""
    if own is not None and (not renamed or any(_is_under(use.rename, own) for use in renamed)):
        return own
    wanted: Counter[str] = Counter()
    for use in renamed:
        parts = (use.rename or "").split(".")
        depth = len(parts) - len(use.spelled) + 1
        if depth >= 2 and not parts[depth - 2][0].isupper():  # what belongs to a class cannot be imported
            wanted[".".join(parts[:depth])] += 1
    return wanted.most_common(1)[0][0] if wanted else None


def _spelled(use: Use, target: str | None, local: str, names: Names) -> Chain:
    assert use.rename is not None
    if target is not None and _is_under(use.rename, target):
        rest = use.rename[len(target) + 1 :]
        return (local, *rest.split(".")) if rest else (local,)
    return in_full(use.rename, names)


def _is_under(name: str | None, module: str) -> bool:
    return name is not None and (name == module or name.startswith(module + "."))
