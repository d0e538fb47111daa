"""What a person is told of a device that a program takes of a list, and of tests that ask for CUDA."""

from __future__ import annotations

import textwrap

import pytest

import porter


def told(source: str, filename: str = "case.py") -> list[tuple[str, str]]:
    """The message and the advice of each numbered device that stays."""
    left = porter.rewrite_source(textwrap.dedent(source), filename=filename).left
    return [(finding.message, finding.advice) for finding in left if finding.code == "PRT106"]


ONE = """
    import torch

    def place(ids):
        return torch.zeros(3, device=f"cuda:{ids[0]}"){more}
"""


def test_one_device_of_a_list_is_one_device() -> None:
    ((message, advice),) = told(ONE.replace("{more}", ""))
    assert message == "a device numbered by `ids[0]`"
    assert "see what is in `ids`" in advice


@pytest.mark.parametrize("more", [" + len(ids[1:])", ".to(ids[1])", ", [work(i) for i in ids]"])
def test_where_the_function_takes_others_they_are_several(more: str) -> None:
    ((message, _),) = told(ONE.replace("{more}", more))
    assert message.startswith("one process drives several devices")


GATED = """
    import pytest
    import torch

    IDS = []

    @pytest.mark.skipif(not IDS, reason={reason})
    def test_first():
        assert torch.zeros(3, device=f"cuda:{IDS[0]}").sum() == 0
"""


def test_what_a_test_asks_for_comes_first() -> None:
    ((_, advice),) = told(GATED.replace("{reason}", "'no CUDA device'"), "tests/test_first.py")
    assert advice == "Line 7 says that the test is for CUDA: port it first."
    ((_, advice),) = told(GATED.replace("{reason}", "'none'"), "tests/test_first.py")
    assert "see what is in `IDS`" in advice
