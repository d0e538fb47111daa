"""Real files, damaged: bytes go, come, move and change, and words of every language that porter reads come in."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from porter.sources.kinds import kind_of
from tests.fuzz import pool

WORDS: tuple[bytes, ...] = (
    *(b"cuda", b'"cuda"', b"'cuda:0'", b"torch.cuda.", b".cuda()", b"nvidia-smi", b"nccl", b"\n", b"\r", b"\r\n"),
    *(b"\t", b" ", b"\f", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xc3", "é".encode(), "\u2028".encode()),
    *("\u202e".encode(), b"\\", b"\\\n", b"(", b")", b"[", b"]", b"{", b"}", b"'", b'"', b"'''", b'"""', b"#", b":"),
    *(b";", b",", b"=", b"- ", b"- -", b"? ", b"&a ", b"*a", b"<<: *a", b"|\n", b">-\n", b"!!python/object:x "),
    *(b"---\n", b"%YAML 1.1\n", b"${", b"$(", b"`", b"<<EOF\n", b"EOF\n", b"&&", b"||", b"FROM ", b"RUN ", b"ARG A="),
    *(b"--gpus all", b"-e .", b"-r x", b"==", b"+cu118", b"if ", b"else:", b"def f(", b"lambda:", b"f'{", b"}'"),
    *(b"async ", b"await ", b"import torch\n", b"from torch.cuda import *\n", b"# porter: ignore\n", b"\\u0063uda"),
    *(b"\\ud800", b'"source": ["', b"<<<1>>>", b"__global__", b"/*", b"*/", b"//", b'R"(', b"0x", b"1e999"),
    *(b"-" * 40,),
)
MOST_BYTES = 60_000  # of a file that is mutated


def mutated(raw: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """The file after a few accidents."""
    data = bytearray(raw)
    for _ in range(random.choice((1, 1, 2, 3, 8))):
        at = random.randrange(len(data) + 1)
        to = min(len(data), at + random.choice((1, 1, 2, 5, 20, 200, 2000)))
        match random.randrange(9):
            case 0:
                del data[at:to]
            case 1:
                data[at:at] = random.choice(WORDS)
            case 2:
                data[at:to] = random.choice(WORDS)
            case 3:
                data[at:at] = data[at:to] * random.choice((1, 2, 30))
            case 4 if data:
                data[at % len(data)] = random.randrange(256)
            case 5:
                other = random.choice(others)
                start = random.randrange(len(other) + 1)
                data[at:at] = other[start : start + random.choice((10, 100, 1000))]
            case 6:
                lines = data.splitlines(keepends=True)
                random.shuffle(lines)
                data = bytearray(b"".join(lines)) if random.random() < 0.2 else data
            case 7:
                del data[at:]
            case _:
                place = random.randrange(len(data) + 1)
                moved = data[at:to]
                del data[at:to]
                data[place:place] = moved
    return bytes(data[: 4 * MOST_BYTES])


def cases() -> list[tuple[str, bytes]]:
    """The files of the rules' own cases, with names that tell their kinds."""
    found = [(file.path, file.content.encode()) for file in pool.files()]
    return found + [(name, json.dumps(content).encode()) for name, content in NOTEBOOKS.items()]


NOTEBOOKS: dict[str, object] = {
    "one.ipynb": {
        "cells": [
            {
                "cell_type": "code",
                "source": "import torch\nx = torch.zeros(1).cuda()\n",
                "outputs": [{"text": ["cuda"]}],
            },
            {"cell_type": "markdown", "source": ["cuda é"]},
            {
                "cell_type": "code",
                "source": ["%%bash\n", "nvidia-smi\n"],
                "metadata": {"vscode": {"languageId": "shell"}},
            },
            {"cell_type": "code", "source": ["!pip install torch==2.1+cu118\n", "d = torch.device('cuda')"]},
        ],
        "metadata": {"kernelspec": {"language": "python"}},
        "nbformat": 4,
    }
}


def corpus(folders: Sequence[Path], random: Random, most: int) -> list[tuple[str, bytes]]:
    """Up to ``most`` files below the folders that porter reads, drawn at random."""
    paths = [path for folder in folders for path in _below(folder)]
    random.shuffle(paths)
    found: list[tuple[str, bytes]] = []
    for path in paths:
        if len(found) == most:
            break
        try:
            if 0 < path.stat().st_size <= MOST_BYTES:
                found.append((path.name, path.read_bytes()))
        except OSError:
            continue
    return found


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in (".git", "__pycache__"))
        for name in sorted(names):
            path = Path(place, name)
            if kind_of(path.as_posix()) is not None and not path.is_symlink():
                yield path
