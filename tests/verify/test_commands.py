"""Cases of two commands: what they print and write is what is compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.verify.conftest import Program

pytest.importorskip("torch", reason="porter verify needs torch")

TRAIN = """
import json, sys
from pathlib import Path
import torch

device, out = sys.argv[1], Path(sys.argv[2])
torch.manual_seed(0)
weight = torch.randn(4, 4, device="cpu").to(device).requires_grad_()
x = torch.arange(8.0, device="cpu").reshape(2, 4).to(device)
log = []
for step in range(4):
    loss = (x @ weight - 1).square().mean()
    loss.backward()
    with torch.no_grad():
        weight -= 0.01 * weight.grad
        weight.grad = None
    print(f"step {step} loss {loss.item():.9g}, rate 0.01")
    log.append({"loss": loss.item(), "step": step, "note": "text"})
(out / "log.jsonl").write_text("".join(json.dumps(line) + "\\n" for line in log))
torch.save({"model": {"weight": weight.detach()}, "steps": 4}, out / "model.pt")
"""


def command_case(**settings: Any) -> str:
    case = {
        "original": ["python", "train.py", "cpu", "{out}"],
        "port": ["python", "train.py", "{device}", "{out}"],
        **settings,
    }
    return f"CASES = {{'net': {case!r}}}\n"


@pytest.fixture
def trains(fresh: Program) -> Callable[..., Program]:
    def make(**settings: Any) -> Program:
        fresh.write("original/train.py", TRAIN)
        fresh.write("port/train.py", TRAIN)
        fresh.write("porter_cases.py", command_case(**settings))
        return fresh

    return make


def test_losses_and_tensors_of_two_commands(trains: Callable[..., Program]) -> None:
    program = trains(losses=r"loss (?P<printed>\S+)", results=["log.jsonl", "model.pt"])
    outcome = program.outcome("--backend", "cpu", status=0)
    assert sorted(outcome["losses"]) == ["loss", "printed", "step"]
    assert len(outcome["losses"]["printed"][1]) == 4
    assert {m["name"] for m in outcome["measures"] if m["kind"] == "output"} == {"model.weight", "steps"}
    assert not any(file.name == "written" for file in (program.folder / ".porter_oracle").rglob("*"))

    program.change("port/train.py", "0.01 * weight.grad", "0.011 * weight.grad")
    outcome = program.outcome("--backend", "cpu", status=1)
    assert outcome["oracle"]["reused"]
    assert {m["kind"] for m in outcome["measures"] if not m["passed"]} == {"loss", "output"}


def test_a_command_on_the_simulated_device(trains: Callable[..., Program]) -> None:
    outcome = trains(losses=r"loss (\S+)", results=["model.pt"]).outcome("--backend", "sim", status=0)
    assert outcome["place"].startswith("simulated Neuron device")


@pytest.mark.parametrize(
    ("original", "settings", "reason"),
    [
        ("import sys; sys.exit('no data')", {"losses": r"loss (\S+)"}, "exit status 1"),
        ("print('hello')", {"losses": r"loss (\S+)"}, "is nowhere in its output"),
        ("print('loss much')", {"losses": r"loss (\S+)"}, "found `much`, which is no number"),
        ("print('loss 1')", {"results": ["model.pt"]}, "has not written `model.pt`"),
        ("WRITE('log.jsonl', b'{')", {"results": ["log.jsonl"]}, "log.jsonl:1: is not JSON"),
        ("WRITE('model.pt', pickle.dumps(print, 2))", {"results": ["model.pt"]}, "cannot be read as plain tensors"),
    ],
    ids=["fails", "silent", "no number", "no file", "no JSON", "pickle"],
)
def test_what_cannot_be_compared(fresh: Program, original: str, settings: dict[str, Any], reason: str) -> None:
    write = "import pathlib, pickle, sys\nWRITE = lambda n, b: (pathlib.Path(sys.argv[2]) / n).write_bytes(b)\n"
    fresh.write("original/train.py", write + original)
    fresh.write("porter_cases.py", command_case(**settings))
    outcome = fresh.outcome("--backend", "cpu", status=1)
    assert outcome["reason"].startswith("no oracle: ")
    assert reason in outcome["reason"]


def test_a_file_of_results_is_not_unpickled(fresh: Program, tmp_path: Path) -> None:
    proof = tmp_path / "executed"
    fresh.write(
        "original/train.py",
        "import pickle, sys\n"
        "from pathlib import Path\n"
        f"class Trap:\n    def __reduce__(self):\n        return Path.touch, (Path({str(proof)!r}),)\n"
        "(Path(sys.argv[2]) / 'model.pt').write_bytes(pickle.dumps(Trap(), 2))\n",
    )
    fresh.write("porter_cases.py", command_case(results=["model.pt"]))
    assert "cannot be read" in fresh.outcome("--backend", "cpu", status=1)["reason"]
    assert not proof.exists()


def test_no_shell_and_no_cpu_without_a_place_for_it(fresh: Program) -> None:
    fresh.write("porter_cases.py", command_case(port="python train.py; touch x", losses="(x)"))
    outcome = fresh.outcome("--backend", "cpu", status=0)
    assert (outcome["verdict"], "no {device}" in outcome["reason"]) == ("UNVERIFIED", True)
    assert json.dumps(outcome)
