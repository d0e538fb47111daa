"""A small repository with everything that makes places hard, and how a report of it is shown."""

from __future__ import annotations

import codecs
import json

from porter.config import load
from porter.engine import Report
from porter.report import CHECK_FORMATS, renderer
from porter.report.view import View

NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Training\n", "on a GPU"]},
        {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": [
                'name = "日本 \\"x\\"";\timport_torch = 1\n',
                "import torch\n",
                'x = torch.zeros(3, device="cuda")',
            ],
        },
        {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": "torch.cuda.synchronize()\n",
        },
    ],
    "metadata": {"language_info": {"name": "python"}},
    "nbformat": 4,
    "nbformat_minor": 4,
}
FILES: dict[str, bytes] = {
    "plain.py": b"import torch\n\n\ndef f(m):\n    torch.cuda.synchronize()\n    return torch.device('cuda')\n",
    "sub/crlf.py": b"import torch\r\nx = torch.zeros(3, device='cuda')\r\n",
    "latin.py": "# -*- coding: latin-1 -*-\nimport torch\né = 'é'; d = torch.device('cuda')\n".encode("latin-1"),
    "mark.py": codecs.BOM_UTF8 + b"import torch; d = torch.device('cuda')\n",
    "wide.py": "import torch\n日本 = '𐐀'; torch.cuda.synchronize()\n".encode(),
    "many.py": b"import torch\nfrom torch.cuda.amp import autocast, GradScaler\n\nscaler = GradScaler()\n\n\n"
    b"def step(m, x):\n    with autocast():\n        loss = m(x)\n    scaler.scale(loss).backward()\n",
    "work.ipynb": (json.dumps(NOTEBOOK, indent=1, ensure_ascii=False) + "\n").encode(),
    "ascii.ipynb": (json.dumps(NOTEBOOK) + "\n").encode(),
    "requirements.txt": b"torch==2.4.0+cu121\nflash-attn>=2\n",
    "broken.py": b"import torch\ndef f(:\n    torch.cuda.synchronize()\n",
    "stream.py": b"import torch\ns = torch.cuda.Stream()\ntorch.cuda.mem_get_info()\ntorch.nn.DataParallel(object())\n",
    "we\x1b[31mird `a` @team #1 <b>%20, x.py": b"import torch\nd = torch.device('cuda')\n",
}


def shown(name: str, report: Report, *, color: bool = False, **overrides: object) -> str:
    """The report in a format."""
    settings = load(isolated=True, overrides={"cache": False, **overrides})
    return "".join(renderer(CHECK_FORMATS, name)(report, View(settings, color=color)))
