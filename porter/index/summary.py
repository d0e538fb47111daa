"""What one file tells the rest of the repository: classes, functions, re-exports and the flow of values.

A *place* is somewhere a value can live, written as a string so that files can refer to each other's:

=======================  =====================================================================
``v:train.main.dev``     local variable ``dev`` of function ``main`` in module ``train``
``g:config.DEVICE``      module-level variable (also when seen from an importing file)
``p:utils.move.device``  parameter ``device`` of function ``utils.move``
``p:?.move.#0``          the first parameter of every method ``move``, on an object porter does not know
``p:utils.move.**``      each parameter of it, filled from a dictionary's value of that name
``r:utils.get_device``   what function ``utils.get_device`` returns
``a:model.Net.device``   attribute ``device`` of ``self`` in class ``model.Net``
``k:device``             attribute, key or option of that name on an object porter does not know
=======================  =====================================================================
"""

from __future__ import annotations

import msgspec


class ClassInfo(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """A class: its bases as qualified names (``?`` where none is known), its methods, its annotated fields in order."""

    bases: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


class FunctionInfo(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """A function or method: its parameters by position (``self`` included), what it returns, the others."""

    parameters: tuple[str, ...] = ()
    returns: str | None = None
    keywords: tuple[str, ...] = ()  # parameters by name only


class Mark(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """A fact about a place: it is used as, or filled with, a device or a backend, looked up as an attribute, or
    compared with ``"gpu"`` or ``"rocm"``, which PyTorch has no device of: a program's own name, or a platform."""

    place: str
    kind: str  # "device", "backend", "attribute", "gpu" or "platform"
    why: str  # "`torch.device()`, line 12"
    sink: bool = True  # True: the place's value goes there; False: the place's value comes from there
    certain: bool = True


Edge = tuple[str, str]  # the places that a value goes from and to


class Summary(msgspec.Struct, array_like=True, omit_defaults=True):
    """What one file tells the others."""

    module: str  # dotted, from the path: src.pkg.train
    classes: dict[str, ClassInfo] = {}  # by qualified name
    functions: dict[str, FunctionInfo] = {}  # by qualified name
    exports: dict[str, str] = {}  # name bound by an import at module level -> qualified name
    flow: msgspec.Raw = msgspec.Raw(b"\x92\x90\x90")  # edges and marks, encoded: see `porter.index.facts.flow_of`
    names: tuple[str, ...] = ()  # names bound at module level
    required: tuple[str, ...] = ()  # what is imported whenever the file is, as qualified names
    starred: tuple[str, ...] = ()  # modules that it imports all names from
    options: tuple[str, ...] = ()  # options of a command line that the file declares, as attributes
