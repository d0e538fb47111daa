"""What changes together in files that are not Python: the members of a group, and what a tool has written."""

from __future__ import annotations

from porter.rules.base import Judgement
from porter.rules.environment.alternatives import MADE
from porter.rules.environment.cuda_container import STAGES
from porter.rules.policy import by_hand, leave
from porter.rules.table import sentence


def members(results: list[Judgement]) -> list[Judgement]:
    """Take back edits that would leave another member behind."""
    return _made(_on_image(_groups(results)))


def _groups(results: list[Judgement]) -> list[Judgement]:
    """What changes together in a script: where a variable is set, and read. In Python, `rewrite.names` does it."""
    lines = {r.group: r.site.line for r in reversed(results) if r.group and not r.edited}

    def held(result: Judgement) -> Judgement:
        if result.group not in lines or not result.edited:
            return result
        why = f"line {lines[result.group]} belongs to it, and stays: change them together"
        return by_hand(result, result.advice, why)

    return [held(r) for r in results]


def _on_image(results: list[Judgement]) -> list[Judgement]:
    """What a Dockerfile does to an image stays with it."""
    image = next((r.site for r in results if r.group == STAGES and not r.edited), None)
    if image is None:
        return results
    why = f"line {image.line} starts from an image with CUDA, which stays: port both together"
    return [by_hand(r, why) if r.edited else r for r in results]


def _made(results: list[Judgement]) -> list[Judgement]:
    """What a tool has written changes with what it was made from: told once, at torch where it is there."""
    told = [r for r in results if r.advice == sentence(MADE)]
    if len(told) < 2:
        return results
    first = next((r for r in told if r.site.name.partition("+")[0] == "torch"), told[0])
    why = f"made again with line {first.site.line}"
    return [leave(r, why) if r.advice == first.advice and r is not first else r for r in results]
