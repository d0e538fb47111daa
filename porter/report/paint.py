"""Colour for text: ANSI codes where wanted, the bare text where not."""

from __future__ import annotations

from porter.model import Verdict

CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}

# Names that rich knows too, so that a verdict looks the same in every report.
VERDICT_STYLES = {
    Verdict.AUTO: "green",
    Verdict.REVIEW: "cyan",
    Verdict.MANUAL: "yellow",
    Verdict.BLOCKED: "red",
    Verdict.UNKNOWN: "magenta",
    Verdict.PORTABLE: "dim",
}


class Paint:
    """Styles text: ``paint("note", "bold cyan")``. Does nothing unless ``enabled``."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def __call__(self, text: str, style: str) -> str:
        """``text`` in the styles that ``style`` names, separated by blanks."""
        if not self.enabled or not text:
            return text
        return f"\x1b[{';'.join(CODES[name] for name in style.split())}m{text}\x1b[0m"

    def link(self, text: str, address: str | None) -> str:
        """``text`` as a link, for terminals that know links; others show the text."""
        return f"\x1b]8;;{address}\x1b\\{text}\x1b]8;;\x1b\\" if self.enabled and address else text
