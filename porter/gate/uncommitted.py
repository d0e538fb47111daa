"""Which files git could not bring back as they are now: what `porter rewrite --write` leaves alone unless told."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from porter.gate.git import Git, work_tree

_STATUS = ("status", "--porcelain=v1", "-z", "--untracked-files=all", "--ignored=matching", "--no-renames")
_SUBMODULES = "--ignore-submodules=all"
_AT_ONCE = 500  # paths in one question: a command line has its limits


class Standing(NamedTuple):
    """Files that git cannot bring back yet, and files that it never will: ignored, or in no work tree."""

    uncommitted: list[str]
    unknown: list[str]


def standing(paths: Iterable[str]) -> Standing:
    """How files stand with the git repository that each is in. Raises GitError."""
    tops: dict[str, str | None] = {}
    trees: dict[str, dict[str, str]] = defaultdict(dict)  # by work tree: place in it, and the path as given
    result = Standing([], [])
    for path in paths:
        real = os.path.realpath(path)
        top = work_tree(os.path.dirname(real), tops)  # noqa: PTH120
        if top is None:
            result.unknown.append(path)
        else:
            trees[top][os.path.relpath(real, top)] = path
    for top, places in trees.items():
        names = list(places)
        for first in range(0, len(names), _AT_ONCE):
            with Git(top).reading(*_STATUS, _SUBMODULES, "--", *names[first : first + _AT_ONCE]) as answer:
                entries = os.fsdecode(answer.read()).split("\0")
            for state, name in ((entry[:2], entry[3:]) for entry in entries if entry):
                files = [places[name]] if name in places else [p for n, p in places.items() if n.startswith(name)]
                (result.unknown if state == "!!" else result.uncommitted).extend(files)
    return result
