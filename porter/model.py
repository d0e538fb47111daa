"""The data that porter's parts hand to one another: plain, frozen, and free of behaviour.

Everything here can be pickled, cached and printed. Nothing here imports the rest of porter.
"""

from __future__ import annotations

from enum import Enum

import msgspec

TARGETS = ("neuron", "portable", "xla")


class Verdict(str, Enum):
    """What a target makes of one CUDA use. Exactly one per finding and target."""

    PORTABLE = "portable"
    AUTO = "auto"
    REVIEW = "review"
    MANUAL = "manual"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return self.value


class Effort(str, Enum):
    """Order of magnitude of the work a person still has per finding."""

    NONE = "none"
    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"

    def __str__(self) -> str:
        return self.value


class Evidence(str, Enum):
    """How well a fact is known."""

    A = "A"  # vendor documentation, or code shipped by AWS, Hugging Face or PyTorch
    B = "B"  # source of the native backend before its beta
    C = "C"  # third-party report
    D = "D"  # inference from general PyTorch or NVIDIA knowledge

    def __str__(self) -> str:
        return self.value


class Severity(str, Enum):
    """What the gate makes of a finding, by the settings."""

    ERROR = "error"  # fails it
    WARNING = "warning"  # is shown, and fails nothing
    NOTE = "note"  # is shown on request

    def __str__(self) -> str:
        return self.value


class Edit(msgspec.Struct, frozen=True, order=True):
    """Replace bytes ``start:end`` by ``text``. Insertion when ``start == end``."""

    start: int
    end: int
    text: str


class Fix(msgspec.Struct, frozen=True):
    """Edits that belong together: all of them are applied, or none."""

    applicability: str  # "safe" for verdict auto, "unsafe" for verdict review
    edits: tuple[Edit, ...]


class Finding(msgspec.Struct, frozen=True):
    """One place that ties a file to CUDA. Field order and names are the JSON contract.

    ``line`` and ``column`` count from 1, columns in code points. Edits are byte offsets in the
    file as it lies on disk. In a notebook ``line`` counts within cell ``cell`` (from 0).
    ``text`` is the line, blanks aside; of a very long one, what is near.
    """

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    cell: int | None
    code: str
    name: str
    symbol: str | None
    verdict: Verdict
    message: str
    advice: str
    guarded: bool
    effort: Effort
    evidence: Evidence | None
    fix: Fix | None
    fingerprint: str
    text: str = ""


class Problem(msgspec.Struct, frozen=True):
    """A file or setting that porter could not use, and what to do about it."""

    path: str
    message: str
    line: int | None = None
    cell: int | None = None  # of a notebook, where it is of that alone


class Dismissal(msgspec.Struct, frozen=True):
    """A place that mentions CUDA and is not a finding, with the reason. Shown on request."""

    path: str
    line: int
    end_line: int
    cell: int | None
    text: str
    reason: str
