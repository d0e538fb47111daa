"""Branches of scripts that tell devices apart."""

from __future__ import annotations

import pytest

from porter.rules.environment.conditions import chooses_device

CHOSEN = [
    'if [ "$USE_CUDA" = 1 ]; then\n  HERE\nfi\n',
    "if [ x ]; then\n  a\nelif has gpu; then\n  HERE\nfi\n",
    "if [ $DEVICE = rocm ]; then\n  a\nelse\n  HERE\nfi\n",
    "if cuda; then\n  if x; then\n    a\n  fi\n  HERE\nfi\n",
    "case $1 in\n  cpu) HERE ;;\nesac\n",
    "case $1 in\n  a) b ;;\n  gpu|cuda)\n    HERE ;;\nesac\n",
    'case "$DEVICE_GPU" in\n  a) b ;;\n  c) HERE ;;\nesac\n',
    "install_cuda() {\n  HERE\n}\n",
    "function setup_gpu() {\n  HERE\n}\n",
    "[ $D = cuda ] && HERE\n",
    "command -v nvidia-smi && HERE\n",
    "RUN if [ $D = cuda ]; then \\\n    HERE; fi\n",
    "@if test -n $(CUDA); then HERE; fi\n",
]
FREE = [
    "HERE\n",
    "if cuda; then\n  a\nfi\nHERE\n",
    "if cuda; then a; fi\nHERE\n",
    "if [ -n $VERBOSE ]; then\n  HERE\nfi\n",
    "case $1 in\n  gpu) a ;;\n  test) HERE ;;\nesac\n",
    "case $1 in\n  gpu) a ;;\nesac\nHERE\n",
    "install_cuda() {\n  a\n}\nHERE\n",
    "# if cuda\nHERE\n",
    "echo cuda && HERE\n",
    "x=(a b)\nHERE\n",
]


@pytest.mark.parametrize("script", CHOSEN)
def test_a_branch_for_a_device(script: str) -> None:
    assert chooses_device(script.encode(), script.index("HERE")) is not None


@pytest.mark.parametrize("script", FREE)
def test_anything_else(script: str) -> None:
    assert chooses_device(script.encode(), script.index("HERE")) is None
