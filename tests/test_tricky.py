"""Every line that is known to trip naive tools is a case in `tests/tricky`, and none is there twice."""

from __future__ import annotations

import re
from pathlib import Path

from tests.literate import parse

TRICKY = Path(__file__).parent / "tricky"


def test_every_sample_has_one_case() -> None:
    cited: list[str] = []
    for page in sorted(TRICKY.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        samples = dict(re.findall(r"^## (.+)\n\nSample: (.+)$", text, re.MULTILINE))
        cases = {case.heading[0] for case in parse(text)}
        assert set(samples) == cases, f"{page.name}: every heading cites a sample and has a case"
        cited += samples.values()
    assert sorted(cited) == sorted((TRICKY / "samples.txt").read_text(encoding="utf-8").splitlines())
