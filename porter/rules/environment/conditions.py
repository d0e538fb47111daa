"""Under which conditions a command of a script runs, as far as they tell devices apart."""

from __future__ import annotations

import re
from typing import NamedTuple

_DEVICES = re.compile(rb"cuda|gpu|nvidia|rocm|(?<![a-z])(?:hip|cpu|xpu|npu|tpu|mps|hpu)(?![a-z])", re.IGNORECASE)
_LINE = re.compile(rb"[^\n]*\n?")
_PART = re.compile(
    rb"""\s*(?:[@-]{1,2}\s*)?(?:
        (?P<comment>\#)
      | (?P<function>(?:function\s+)?[\w-]+\s*\(\))
      | (?P<end>fi\b|esac\b|\}\s*$)
      | (?P<begin>(?:RUN\s+)?(?:if|case)\b)
      | (?P<branch>elif\b)
      | (?P<arm>\(?[^\s()$`]+(?:\s*\|\s*[^\s()]+)*\))(?:\s|$)
    )""",
    re.VERBOSE,
)
_CLOSED = re.compile(rb"(?:;|\bthen\b.*|\}\s*)\s*(?:fi|esac|\})\b")
_TESTED = re.compile(rb".*(?:\]|\btest\b[^;&|]*|command\s+-v[^;&|]*)\s*(?:&&|\|\|)")


class _Frame(NamedTuple):
    """A block that is open: where it begins, and what decides whether it runs."""

    kind: str
    start: int
    decides: bytes


def chooses_device(text: bytes, at: int) -> int | None:
    """Where the condition, arm or function begins that tells devices apart and holds ``at``; None where none does."""
    frames: list[_Frame] = []
    for line in _LINE.finditer(text, 0, at):
        part = _PART.match(line.group())
        kind = part.lastgroup if part is not None else None
        if part is None or kind is None or kind == "comment":
            continue
        if kind in ("begin", "function"):
            if not line.group().endswith(b"\n") or not _CLOSED.search(line.group()):
                frames.append(_Frame(kind, line.start(), line.group()))
        elif not frames:
            continue
        elif kind == "end":
            frames.pop()
        elif kind == "branch" or (kind == "arm" and frames[-1].kind in ("begin", "arm")):
            header = frames[-1].decides if kind == "branch" else frames[-1].decides.partition(b"\n")[0] + b"\n"
            frames[-1] = _Frame("arm", line.start(), header + part.group() + line.group())
    begin = text.rfind(b"\n", 0, at) + 1
    if beside := _TESTED.match(text, begin, at):
        frames.append(_Frame("test", begin, beside.group()))
    return next((frame.start for frame in reversed(frames) if _DEVICES.search(frame.decides)), None)
