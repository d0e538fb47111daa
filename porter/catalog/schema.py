"""The shape of a catalogue row. The TOML files beside this module are the catalogue; this is their schema."""

from __future__ import annotations

import msgspec

from porter.model import Effort, Evidence, Verdict

ACTIONS = {
    "rename": "`replacement` is a dotted name that takes the symbol's place, arguments untouched",
    "callee": "`replacement` is an expression that takes the symbol's place, arguments untouched",
    "constant": "`replacement` is an expression that takes the place of the whole call",
    "argument": "`replacement` is the argument, `bf16=True`, that takes this one's place; `use_cpu=` keeps its value;"
    " without it this one goes",
    "call": "`replacement` is called instead; the row's `signature` says what becomes of the arguments",
    "delete": "the statement, line, entry or word goes, where it is nothing but this",
    "replace": "`replacement` takes the place of what the site names, in a file that is not Python",
    "rule": "the row's rule edits it, and may find that it cannot",
    "none": "porter leaves it",
}


class CatalogueError(ValueError):
    """A catalogue file that porter cannot use. The message names the file, the row and the remedy."""


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one target makes of a row.

    ``action`` and ``effort`` follow from the verdict where a row does not say:
    auto and review edit (``rename`` where ``replacement`` is a dotted name, else ``rule``).
    """

    verdict: Verdict
    replacement: str = ""  # what to write instead, as Python (or as the row's kind writes it)
    advice: str = ""  # for the reader, one or two sentences, in the imperative; required for manual and blocked
    note: str = ""  # how behaviour differs
    fits: tuple[str, ...] = ()  # of an argument: the values (globs) that `replacement` may stand for; none: all
    evidence: Evidence = Evidence.D
    source: tuple[str, ...] = ()  # keys of sources.toml
    action: str = ""
    effort: Effort | None = None
    checked: str = ""  # versions, where they differ from the file's
    since: str = ""  # the release of PyTorch that brought ``replacement``: 2.9
    older: str = (
        ""  # what takes the symbol's place with a PyTorch before that, as an expression; none: a person decides
    )
    absent: str = ""  # what stands for the call where no device is, as an expression, where ``replacement`` raises


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The arguments of a call, and what becomes of them where a `replacement` is called instead."""

    parameters: tuple[str, ...]  # by position
    shared: int  # so many of them, from the first, have the same place there
    renamed: dict[str, str] = {}
    dropped: dict[str, tuple[str, ...]] = {}  # what it lacks, each with the values (globs) at which nothing is lost
    stated: dict[str, str] = {}  # what to pass where it is left out, for the defaults differ
    instead: dict[str, str] = {}  # an argument, `attn_bias=None`, and the one that takes its place
    otherwise: dict[str, str] = {}  # an argument, `adam_w_mode=False`, and what is called instead where it is passed


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One CUDA symbol, string, variable, package or other construct, and every target's answer."""

    name: str  # as `Site.name` of that kind spells it; a final ``*`` matches the rest; ``f(parameter@1)`` by position
    kind: str  # a key of `porter.index.site.KINDS`, or "idiom": known to people, detected by no site
    rule: str  # name of the rule that reports it: cuda-memory-call
    summary: str  # what it does on CUDA, one line, lower case, no full stop
    neuron: Answer
    portable: Answer
    xla: Answer
    also: tuple[str, ...] = ()  # other names of the same thing, answered alike: torch.cuda.memory.empty_cache
    values: tuple[str, ...] = ()  # of an argument: globs of the literals and names that it is about, by repr; none: all
    signature: Signature | None = None  # of what is called, for the action ``call``
    distributions: tuple[str, ...] = ()  # of a package: requirements that are answered alike, by normalised name
    needs_cuda: bool = False  # of a package: without CUDA it cannot be installed, or does nothing
    on_cpu: bool = False  # of a package: it can be imported without CUDA, as can what imports it
    loaded_by: tuple[str, ...] = ()  # of a package: arguments and classes with which a framework imports it
    imports: tuple[str, ...] = ()  # of a requirement: the top-level modules that it brings
    covers: tuple[str, ...] = ()  # patterns of the coverage yardstick or API map that this row answers


class CatalogueFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One TOML file: a title, the versions its answers were checked against, and rows."""

    title: str
    checked: dict[str, str]  # target -> "torch-neuronx 2.14.3, Neuron SDK 2.33.0"
    row: tuple[Row, ...] = ()
