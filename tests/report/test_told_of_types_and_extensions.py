"""What a person is told of a type under a name, and of an extension with a version for the CPU beside it."""

from __future__ import annotations

import textwrap

import porter


def told(source: str, code: str) -> list[str]:
    """The advice of each finding of a rule that stays."""
    return [f.advice for f in porter.rewrite_source(textwrap.dedent(source)).left if f.code == code]


def test_a_type_under_a_name_is_a_dtype_and_a_device() -> None:
    kept, tested = told(
        """
        import torch

        kind = torch.cuda.HalfTensor
        isinstance(x, (torch.cuda.FloatTensor, str))
        """,
        "PRT105",
    )
    assert "keep the dtype alone, `torch.float16`" in kept.lower()
    assert "keep the dtype" not in tested.lower()


LOADED = """
    from torch.utils.cpp_extension import load

    op = load(name="op", sources=["op.cpp", "op_kernel.cu"])

    def run(x):
        return plain(x) if x.device.type == "{device}" else op.run(x)
"""


def test_a_version_for_the_cpu_may_serve_other_devices() -> None:
    (advice,) = told(LOADED.format(device="cpu"), "PRT603")
    assert "Line 7 takes the CPU apart" in advice
    (advice,) = told(LOADED.format(device="mps"), "PRT603")
    assert "takes the CPU apart" not in advice
