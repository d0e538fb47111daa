"""The shape of a catalogue row. The TOML files beside this module are the catalogue; this is their schema."""

from __future__ import annotations

import msgspec

from porter.model import Effort, Evidence, Verdict

ACTIONS = {
    "rename": "`replacement` is a dotted name that takes the symbol's place, arguments untouched",
    "constant": "`replacement` is an expression that takes the place of the whole call",
    "argument": "`replacement` is the argument, `bf16=True`, that takes this one's place; without it this one goes",
    "delete": "the statement goes, where it is nothing but this call or assignment",
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
    evidence: Evidence = Evidence.D
    source: tuple[str, ...] = ()  # keys of sources.toml
    action: str = ""
    effort: Effort | None = None
    checked: str = ""  # versions, where they differ from the file's


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
    distributions: tuple[str, ...] = ()  # of a package: requirements that are answered alike, by normalised name
    covers: tuple[str, ...] = ()  # patterns of the coverage yardstick or API map that this row answers


class CatalogueFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One TOML file: a title, the versions its answers were checked against, and rows."""

    title: str
    checked: dict[str, str]  # target -> "torch-neuronx 2.14.3, Neuron SDK 2.33.0"
    row: tuple[Row, ...] = ()
