"""Each sample's port is porter's work, and a person's where there is a patch. Nothing else."""

from __future__ import annotations

import pytest

from tests.examples.samples import Sample, files, porter, samples

each = pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)


@each
def test_the_port_is_what_porter_makes_of_the_original(sample: Sample) -> None:
    with sample.rewritten(by_hand=True) as made:
        expected, found = files(made), files(sample.folder / "port")
    remedy = f"python -m tests.examples port {sample.name}"
    assert sorted(found) == sorted(expected), remedy
    changed = [name for name, content in expected.items() if found[name] != content]
    assert not changed, f"the port is out of date: {remedy}"


@each
def test_a_second_rewrite_of_the_port_changes_nothing(sample: Sample) -> None:
    porter("rewrite", str(sample.folder / "port"), "--check", "--isolated", "--no-cache")
