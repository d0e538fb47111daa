"""Classes of PyTorch written in C++ that make instances for any device, and cannot for a Python backend's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def answering(original: type, make: Callable[..., Any]) -> Any:
    """A class in the place of another: what it is called with goes to ``make``, all else is as it was.

    Instances of the original are instances of it, and so are what subclasses make; ``make`` returns None for what it
    leaves to the original.
    """

    class Answering(type(original)):  # type: ignore[misc]
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, original) if cls is stand_in else super().__instancecheck__(instance)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, original) if cls is stand_in else super().__subclasscheck__(subclass)

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            if cls is not stand_in:
                return super().__call__(*args, **kwargs)
            made = make(*args, **kwargs)
            return original(*args, **kwargs) if made is None else made

    stand_in = Answering(original.__name__, (original,), {"__module__": "torch", "__doc__": original.__doc__})
    return stand_in
