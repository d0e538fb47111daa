"""Twice as much of the same is twice the work: held as a ratio of lines that are executed, which no load changes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from textwrap import indent
from types import FrameType
from typing import Any

import pytest

from porter import engine
from porter.config import load

FEW = 12  # sites; what a pair of them costs shows against what one costs
GROWTH = 2.6  # a look from each to all others, a few lines long, is not seen; a walk through the file for each is
HEAD = """\
import torch
from apex import amp
from torch import nn

available = torch.cuda.is_available()
"""

# What a line, or a few, may do again and again. `{}` is their number.
SITES = {
    "test": "if torch.cuda.is_available():\n    y{} = torch.zeros(3).cuda()\n",
    "test of a flag": "if available:\n    y{} = torch.zeros(3).cuda()\n",
    "flag": "there{0} = torch.cuda.is_available()\nif there{0}:\n    y{0} = torch.zeros(3).cuda()\n",
    "choice": "d{0} = 'cuda' if torch.cuda.is_available() else 'cpu'\nmodel = model.to(d{0})\n",
    "both arms": "if available:\n    d{0} = torch.device('cuda')\nelse:\n    d{0} = torch.device('cpu')\n",
    "early end": "if not torch.cuda.is_available():\n    raise RuntimeError('no CUDA {}')\n",
    "guarded calls": "if torch.cuda.is_available():\n    torch.cuda.synchronize()\n    torch.cuda.empty_cache()\n",
    "type of the device": "if x.device.type == 'cuda':\n    x = x + {}\n",
    "is_cuda": "if x.is_cuda:\n    x = x + {}\n",
    "assertion": "assert x.is_cuda\n",
    "move": "y{} = x.get().cuda()\n",
    "moved again": "x = x.cuda()\n",
    "to": "x = x.to('cuda')\n",
    "to a parameter": "x = x.to(device)\n",
    "device": "d{} = torch.device('cuda')\n",
    "default": "def inner{}(device=torch.device('cuda')):\n    return torch.zeros(3, device=device)\n",
    "calls": "torch.cuda.synchronize()\ntorch.cuda.memory_allocated()\n",
    "chosen device": "torch.cuda.set_device({})\nnow = torch.cuda.current_device()\n",
    "stream": "s{0} = torch.cuda.Stream()\nwith torch.cuda.stream(s{0}):\n    x = x + 1\n",
    "properties": "p{0} = torch.cuda.get_device_properties(0)\nprint(p{0}.total_memory)\n",
    "autocast": "with torch.cuda.amp.autocast():\n    x = x @ x\n",
    "scaler": "s{0} = torch.cuda.amp.GradScaler()\ns{0}.scale(x).backward()\ns{0}.step(optimizer)\ns{0}.update()\n",
    "apex": "loss = model(x).sum()\nwith amp.scale_loss(loss, optimizer) as scaled:\n    scaled.backward()\n",
    "typed tensor": "y{} = torch.cuda.FloatTensor(3)\n",
    "type": "x = x.type(torch.cuda.FloatTensor)\n",
    "checkpoint": "c{} = torch.load(path, map_location='cuda')\n",
    "process group": "torch.distributed.init_process_group('nccl')\n",
    "wrapped": "m{0} = nn.parallel.DistributedDataParallel(model.cuda(), device_ids=[{0}])\n",
    "option": "parser.add_argument('--device{}', default='cuda')\n",
    "test of an option": "if args.cuda:\n    x = x.cuda()\n",
    "loop": "for b in loader:\n    loss = model(b.cuda()).sum()\n    loss.backward()\n    optimizer.step()\n",
    "package": "try:\n    import flash_attn\nexcept ImportError:\n    flash_attn = None\n",
    "loader": "l{} = torch.utils.data.DataLoader(data, pin_memory=torch.cuda.is_available())\n",
    "generator": "g{0} = torch.Generator(device='cuda').manual_seed({0})\n",
    "skipped": "@pytest.mark.skipif(not torch.cuda.is_available(), reason='')\ndef test_{}(x):\n    return x.cuda()\n",
}


def _function(text: str, name: str = "f") -> str:
    body = indent(text, "    ")
    return f"def {name}(self, x, model, optimizer, device, loader, args, parser, data, path):\n{body}    return x\n\n"


def in_a_function(lines: str, times: int) -> str:
    """The lines again and again, in one function."""
    return (
        HEAD
        + 'model, optimizer = amp.initialize(model, optimizer, opt_level="O1")\n' * ("amp." in lines)
        + _function("".join(map(lines.format, range(times))))
    )


def in_methods(lines: str, times: int) -> str:
    """The lines again and again, each time in a method of its own."""
    return (
        HEAD
        + "class Model(nn.Module):\n"
        + indent("".join(_function(lines.format(i), f"f{i}") for i in range(times)), "    ")
    )


OTHERS: dict[str, Callable[[int], str]] = {
    "list.py": lambda n: HEAD + "devices = [" + '"cuda", ' * n + "]\ntorch.zeros(3, device=devices[0])\n",
    "table.py": lambda n: HEAD + f"table = {dict.fromkeys(map(str, range(n)), 'cuda')}\nx.to(table['1'])\n",
    "cells.ipynb": lambda n: _notebook(["import torch\nx = torch.zeros(1).cuda()\n"] * n),
    "pip.ipynb": lambda n: _notebook(["!pip install torch==2.1+cu118 flash-attn\n"] * n),
    "keys.yaml": lambda n: "".join(f"k{i}:\n  device: cuda\n  backend: nccl\n" for i in range(n)),
    "keys.json": lambda n: json.dumps({f"k{i}": {"device": "cuda", "backend": "nccl"} for i in range(n)}, indent=1),
    "Dockerfile": lambda n: "FROM nvidia/cuda:12.1.0-runtime\n" + "RUN nvidia-smi && pip install flash-attn\n" * n,
    "run.sh": lambda n: (
        "export CUDA_VISIBLE_DEVICES=0\nnvidia-smi\ntorchrun --nproc_per_node 8 a.py --device cuda\n" * n
    ),
    "requirements.txt": lambda n: "".join(f"flash-attn=={i}.0\nnvidia-cublas-cu12=={i}\n" for i in range(n)),
}


def _notebook(cells: list[str]) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "source": cell} for cell in cells], "nbformat": 4})


@pytest.mark.parametrize("name", SITES)
@pytest.mark.parametrize("path", ["a.py", "tests/test_a.py"])
def test_one_function_of_many_sites(name: str, path: str) -> None:
    assert growth(path, lambda n: in_a_function(SITES[name], n), engine.run) < GROWTH


@pytest.mark.parametrize("name", SITES)
def test_many_methods(name: str) -> None:
    assert growth("a.py", lambda n: in_methods(SITES[name], n), engine.rewrite) < GROWTH


@pytest.mark.parametrize("name", OTHERS)
def test_other_files(name: str) -> None:
    assert growth(name, OTHERS[name], engine.rewrite) < GROWTH


def growth(path: str, made: Callable[[int], str], run: Callable[..., object]) -> float:
    """By how much the work grows from twice to four times as many sites, to what it grows by from one to two times.

    Two for work that is linear, four for what looks at all pairs.
    """
    steps(path, made(FEW), run)  # imports, and what is found once and for all
    once, twice, again = (steps(path, made(FEW * times), run) for times in (1, 2, 4))
    return (again - twice) / (twice - once)


def steps(path: str, text: str, run: Callable[..., object]) -> int:
    """How many lines of Python are executed to deal with a file."""
    count = 0

    def step(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return step

    settings = load(isolated=True, overrides={"cache": False, "seconds_per_file": 300})
    before = sys.gettrace()
    sys.settrace(step)
    try:
        run((), settings, stdin=(path, text.encode()))
    finally:
        sys.settrace(before)
    return count
