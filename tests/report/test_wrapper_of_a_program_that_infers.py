"""What a person is told of `nn.DataParallel`: in a program that trains, and in one that only infers."""

from __future__ import annotations

import textwrap

import porter

INFERS = """
    import torch

    def scores(model, images):
        model = torch.nn.DataParallel(model).eval()
        with torch.no_grad():
            return model(images)
"""

TRAINS = (
    INFERS
    + """
    def step(model, images):
        model(images).mean().backward()
"""
)


def told(source: str) -> str:
    """The advice of the one finding about the wrapper."""
    left = porter.rewrite_source(textwrap.dedent(source), filename="case.py").left
    (advice,) = (finding.advice for finding in left if finding.code == "PRT502")
    return advice


def test_a_program_that_only_infers_needs_no_wrapper() -> None:
    assert "call the model itself" in told(INFERS)
    assert "DistributedDataParallel" not in told(INFERS)


def test_a_program_that_trains_needs_another() -> None:
    assert "DistributedDataParallel" in told(TRAINS)
