"""What a policy is: one documented way in which Neuron differs from CPU and CUDA."""

from __future__ import annotations

from dataclasses import dataclass

OFF = "off"  # the device does what CPU does
STRICT = "strict"  # raise where the documents say that the device, its runtime or its compiler raises
CAST = "cast"  # store what the device would store


@dataclass(frozen=True)
class Policy:
    """One documented behaviour.

    ``sources`` are keys of the table of sources in docs/policies.md; ``evidence`` is A (vendor documentation or shipped
    code) to D (inference); ``code`` is the compiler's error code. ``message`` is what is raised, in the vendor's words
    where they are known: a format string, filled by whoever finds the violation. ``options`` are settings of
    ``NEURON_CC_FLAGS`` with the mode that they stand for. ``note`` says what the sources leave open or where they
    contradict one another.
    """

    name: str
    summary: str
    message: str
    sources: tuple[str, ...]
    evidence: str
    default: str = STRICT
    modes: tuple[str, ...] = (STRICT, OFF)
    code: str | None = None
    options: tuple[tuple[str, str], ...] = ()
    note: str = ""

    def text(self, **facts: object) -> str:
        """The error message for these facts."""
        message = self.message.format(**facts)
        return f"{self.code}: {message}" if self.code else message
