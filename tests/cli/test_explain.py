"""`porter explain`: answers to whatever a person types."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from syrupy.assertion import SnapshotAssertion

from porter import catalog, rules
from porter.cli import main
from porter.report.lookup import find, near

OWN = """
title = "Ours"

[[row]]
name = "acme.gpu.to_gpu"
kind = "symbol"
rule = "cuda-method"
summary = "moves a batch to the GPU of this process"
also = ["acme.to_gpu"]
neuron = { verdict = "review", replacement = "acme.device.to_device", note = "Blocks where the other did not." }
portable = { verdict = "manual", advice = "Ask the platform team." }
xla = { verdict = "blocked", advice = "Stay on CUDA." }
"""


@pytest.fixture
def own() -> None:
    """A project with a row of its own."""
    Path("own.toml").write_text(OWN)
    Path("porter.toml").write_text('catalogue = ["own.toml"]\n')


def explain(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["explain", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.usefixtures("own")
def test_row(capsys: pytest.CaptureFixture[str], snapshot: SnapshotAssertion) -> None:
    assert explain(capsys, "acme.gpu.to_gpu()") == snapshot


@pytest.mark.usefixtures("own")
def test_row_by_another_name(capsys: pytest.CaptureFixture[str]) -> None:
    out = explain(capsys, "acme.to_gpu")
    assert out.startswith("# acme.to_gpu\n")
    assert "Answered alike: `acme.gpu.to_gpu`, `acme.to_gpu`." in out


@pytest.mark.usefixtures("own")
def test_row_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    [row] = msgspec.json.decode(explain(capsys, "acme.to_gpu", "--format", "json"))
    assert (row["name"], row["neuron"]["verdict"], row["xla"]["advice"]) == (
        "acme.gpu.to_gpu",
        "review",
        "Stay on CUDA.",
    )


@pytest.mark.usefixtures("own")
def test_row_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    out = explain(capsys, "acme.to_gpu", "--color", "always")
    assert "\x1b[" in out
    assert "| --- |" not in out


@pytest.mark.parametrize(
    ("word", "kind", "name"),
    [
        ("torch.cuda.synchronize", "symbol", "torch.cuda.synchronize"),
        ("torch.cuda.synchronize()", "symbol", "torch.cuda.synchronize"),
        ("`torch.cuda.synchronize`", "symbol", "torch.cuda.synchronize"),
        ("cuda.synchronize", "symbol", "torch.cuda.synchronize"),
        ("synchronize", "symbol", "torch.cuda.synchronize"),
        (".cuda()", "method", ".cuda"),
        (".cuda()", "symbol", "torch.Tensor.cuda"),
        ("nccl", "backend", "nccl"),
        ("cuda:0", "device", "cuda:0"),
        ("flash-attn", "symbol", "flash_attn"),
        ("flash_attn", "symbol", "flash_attn"),
        ("CUDA_VISIBLE_DEVICES", "environment", "CUDA_VISIBLE_DEVICES"),
        ("cuda_visible_devices", "environment", "CUDA_VISIBLE_DEVICES"),
        ("torch.compile(mode)", "argument", "torch.compile(mode)"),
        ("bitsandbytes.optim.AdamW32bit", "symbol", "bitsandbytes.optim.AdamW"),  # rows with a signature
        ("bitsandbytes.optim.PagedAdam8bit", "symbol", "bitsandbytes.optim.PagedAdam"),
    ],
)
def test_what_people_type(word: str, kind: str, name: str) -> None:
    rows = find(catalog.load(), word)
    assert (kind, name) in [(row.kind, catalog.spelling(row.kind, row.name)) for row in rows]


def test_any_name_under_torch_cuda_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    out = explain(capsys, "torch.cuda.emty_cache")
    assert "| neuron | unknown | - | - |" in out
    assert "- `torch.cuda.empty_cache`\n" in out


def test_other_names_are_unknown_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Not in porter's catalogue" in explain(capsys, "zzz")
    assert near(catalog.load(), "zzz") == []


def test_every_rule_has_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    for rule in rules.load().values():
        page = explain(capsys, rule.code.lower())
        assert page.startswith(f"# {rule.code} {rule.name}\n")
        assert page == explain(capsys, rule.name)


def test_without_an_argument_all_rules_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    out = explain(capsys)
    assert all(f"- {rule.code} {rule.name}: " in out for rule in rules.load().values())


def test_rule_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    data = msgspec.json.decode(explain(capsys, "PRT101", "--format", "json"))
    assert (data["name"], data["default"]) == ("hardcoded-cuda-device", True)
    assert {"kind": "device", "name": "cuda"} in data["covers"]
