"""Backward passes run in the thread that asks for them.

PyTorch gives each device of a C++ backend a thread of its own, and believes that a Python backend has one device: the
second one would find no thread. Without threads all devices are served, and the program's frames stay on the stack.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.variable import Variable


class Engine:
    """PyTorch's engine, without threads."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.queue_callback = engine.queue_callback
        self.is_checkpoint_valid = engine.is_checkpoint_valid

    def run_backward(self, *args: Any, **kwargs: Any) -> Any:
        """Run a backward pass here and now."""
        with torch.autograd.set_multithreading_enabled(False):
            return self._engine.run_backward(*args, **kwargs)


def register() -> None:
    """Put the engine in place of PyTorch's."""
    Variable._execution_engine = Engine(Variable._execution_engine)
