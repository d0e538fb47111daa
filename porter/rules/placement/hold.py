"""What a look at a test of the device answers where the test must stay."""

from __future__ import annotations

import msgspec

from porter.model import Verdict


class Hold(msgspec.Struct, frozen=True):
    """Why a test of the device stays as it is."""

    verdict: Verdict  # portable where it rightly keeps Neuron out, manual where a person has to port something first
    advice: str

    @property
    def note(self) -> str | None:
        """What a judgement adds: the row's note where a person writes the test, nothing where it stays."""
        return None if self.verdict is Verdict.PORTABLE else ""
