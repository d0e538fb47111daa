"""The entry point that PyTorch calls when it is imported: the device for processes that are told to simulate it.

Workers of torchrun and of a spawning DataLoader have it by ``import torch`` alone, as with the vendor's package.
"""

from __future__ import annotations

from porter.simulate.settings import requested


def activate() -> None:
    """Install the simulated device if the environment asks for it (PORTER_SIMULATE=1); else do nothing."""
    if requested():
        from porter.simulate import install

        install()
