"""A run of ``porter verify``: the outcomes, and what they amount to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from porter.verify.outcome import Outcome, Verdict

SIMULATED = (
    "The simulated device shows what PyTorch dispatches to a Neuron device. It does not show what the vendor's compiler"
    " accepts."
)
XLA_CPU = (
    "XLA on the CPU shows that the code can be traced, compiled and run by XLA. It is upstream's compiler for the CPU,"
    " not the vendor's."
)
CUDA_ON_CPU = "Where the oracle says so, the original's CUDA calls were mapped to the CPU, for that run alone."


class Report:
    """Outcomes in the order in which they were made. ``missing`` are those that were required and did not run."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.missing: list[Outcome] = []

    def add(self, outcomes: Iterable[Outcome], require: Iterable[str]) -> None:
        """Take the outcomes of a suite, which must have run on the backends ``require``."""
        required = set(require)
        for outcome in outcomes:
            self.outcomes.append(outcome)
            if outcome.backend in required and not outcome.ran:
                self.missing.append(outcome)

    @property
    def good(self) -> bool:
        """Whether nothing failed and what was required ran."""
        return not self.missing and not any(outcome.verdict is Verdict.FAIL for outcome in self.outcomes)

    def counts(self) -> dict[Verdict, int]:
        """How many outcomes have each verdict."""
        counted = Counter(outcome.verdict for outcome in self.outcomes)
        return {verdict: counted[verdict] for verdict in Verdict}

    def summary(self) -> str:
        """One line."""
        line = ", ".join(f"{count} {verdict}" for verdict, count in self.counts().items() if count) or "no cases"
        if self.missing:
            backends = ", ".join(dict.fromkeys(outcome.backend for outcome in self.missing))
            line += f"; required and not run: {backends}"
        return line

    def caveats(self) -> list[str]:
        """What the results do not show, for every report that shows them."""
        backends = {outcome.backend for outcome in self.outcomes if outcome.ran}
        notes = [note for backend, note in (("sim", SIMULATED), ("xla-cpu", XLA_CPU)) if backend in backends]
        if any(outcome.oracle and outcome.oracle.cuda_on_cpu for outcome in self.outcomes):
            notes.append(CUDA_ON_CPU)
        return notes

    def places(self) -> dict[str, list[str]]:
        """What ran where: for the oracle and for each backend, the machines and versions."""
        found: dict[str, dict[str, None]] = {}
        for outcome in self.outcomes:
            if outcome.oracle:
                found.setdefault("oracle", {})[outcome.oracle.place] = None
            if outcome.place:
                found.setdefault(outcome.backend, {})[outcome.place] = None
        return {role: list(places) for role, places in found.items()}
