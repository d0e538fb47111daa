"""What every layer of a model takes and gives, in the order in which they are done, to find where two runs part."""

from __future__ import annotations

from typing import Any

from torch import nn

from porter.verify import tensors


class Layers:
    """A context in which forward passes are recorded, until `stop`.

    ``calls`` is plain data: for every call of a module, in the order in which calls end, its ``name`` and ``kind``, the
    name of its ``parent`` in the call and the tensors of ``inputs`` and ``outputs`` by path, on the host.
    """

    def __init__(self, model: nn.Module, *, enabled: bool) -> None:
        self.calls: list[dict[str, Any]] = []
        self._stack: list[tuple[str, dict[str, Any]]] = []
        self._modules = list(model.named_modules()) if enabled else []
        self._hooks: list[Any] = []

    def __enter__(self) -> Layers:
        for name, module in self._modules:
            self._hooks.append(module.register_forward_pre_hook(self._before(name), with_kwargs=True))
            self._hooks.append(module.register_forward_hook(self._after(name)))
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Record no more."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def _before(self, name: str) -> Any:
        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
            self._stack.append((name, tensors.named((*args, kwargs))))

        return hook

    def _after(self, name: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            while self._stack and self._stack[-1][0] != name:  # calls that an exception has ended
                self._stack.pop()
            inputs = self._stack.pop()[1]
            parent = self._stack[-1][0] if self._stack else ""
            kind = type(module).__name__
            outputs = tensors.named(output)
            self.calls.append({"name": name, "kind": kind, "parent": parent, "inputs": inputs, "outputs": outputs})

        return hook
