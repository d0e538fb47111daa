"""`porter run` on programs that use the simulated device, or ask for CUDA."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from porter.launch.session import hide_cuda  # noqa: E402
from tests.launch.program import parts, porter, write  # noqa: E402

TRAINING = """
import torch
from torch import nn

torch.manual_seed(0)
device = torch.device("neuron")
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 1)).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
for step in range(5):
    inputs = torch.randn(4, 8).to(device)
    noise = torch.randn(4, 8, device=device)
    loss = model(inputs + noise).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, loss.item())
"""


def test_a_training_loop_and_its_summary() -> None:
    write("train.py", TRAINING)
    done = porter("--cores", "3", "train.py")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 5
    assert done.stderr.startswith(
        "porter: running on the simulated Neuron device (torch_neuronx is not installed here)\n"
    )
    talk, summary = parts(done.stderr)
    assert talk == ""
    lines = summary.splitlines()
    assert "operators ran on the simulated Neuron device." in lines[0]
    assert any(line.strip() == "5  one value read  train.py:15  print(step, loss.item())" for line in lines)
    assert any("train.py:9" in line and "640 B" in line and "inputs = torch.randn(4, 8)" in line for line in lines)
    assert any("aten::normal_" in line and "random" in line for line in lines), "a fallback that is expected"
    assert any(line.split() == ["10", "aten::addmm", "float32"] for line in lines)
    assert lines[-1] == "The simulated device shows what PyTorch dispatches, not what Neuron's compiler accepts."
    assert len(lines) <= 32, "at most a screen"
    assert max(map(len, lines)) <= 100


def test_the_trace_as_json_in_a_file() -> None:
    write("train.py", TRAINING)
    done = porter("--trace", "json", "--trace-file", "out-{rank}.json", "-q", "train.py")
    assert (done.returncode, done.stderr) == (0, "")
    record = json.loads(Path("out-0.json").read_text())
    assert record["version"] == 1
    assert record["simulated"] is True
    assert record["rank"] is None
    assert {"count": 10, "dtypes": ["float32"] * 3, "name": "aten::addmm"} in record["trace"]["operators"]
    assert [sync["line"] for sync in record["trace"]["syncs"]] == [15]
    assert "compiler" in record["note"]


def test_a_failure_shows_the_programs_traceback_and_the_remedy() -> None:
    write("train.py", "import torch\n\n\ndef build():\n    return torch.nn.Linear(4, 4).cuda()\n\n\nbuild()\n")
    done = porter("--color", "never", "train.py")
    assert done.returncode == 1
    talk, hint = parts(done.stderr)
    assert 'train.py", line 5, in build' in talk
    assert talk.endswith("AssertionError: Torch not compiled with CUDA enabled\n")
    assert not any(word in talk for word in ("/porter/", "runpy", "click"))
    assert hint.startswith("train.py:5 needs CUDA, which a Neuron machine does not have.")
    assert 'return torch.nn.Linear(4, 4).to("neuron")' in hint
    assert "ran on" not in hint, "what it did before does not matter"


def test_a_failure_that_the_program_shows_its_own_way() -> None:
    write(
        "train.py",
        """
        import sys
        import torch

        try:
            torch.zeros(2).cuda()
        except Exception as error:
            print("it failed:", error)
            sys.exit(4)
        """,
    )
    done = porter("train.py")
    assert (done.returncode, done.stdout) == (4, "it failed: Torch not compiled with CUDA enabled\n")
    assert parts(done.stderr)[1].startswith("train.py:5 needs CUDA")


def test_what_the_device_refuses_names_the_policy_and_can_be_switched() -> None:
    write(
        "train.py",
        """
        import torch

        x = torch.ones(3).to("neuron")
        print(torch.complex(x, x).cpu())
        """,
    )
    done = porter("train.py")
    assert done.returncode == 1
    talk, after = parts(done.stderr)
    assert not any(word in talk for word in ("/porter/", "runpy", "click"))
    assert 'train.py", line 4, in <module>' in talk
    refusal = after.splitlines()[0]
    assert refusal.startswith("Neuron would refuse this, by policy complex (source: SDK-ERR")
    assert "`porter run --policy complex=off`" in refusal
    again = porter("--policy", "complex=off", "--trace", "none", "train.py")
    assert (again.returncode, again.stdout) == (0, "tensor([1.+1.j, 1.+1.j, 1.+1.j])\n"), again.stderr
    assert parts(again.stderr) == ("", "")


def test_asking_for_cuda_and_going_on_without_it_is_told() -> None:
    write(
        "train.py",
        """
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        for _ in range(3):
            with torch.autocast("cuda", dtype=torch.bfloat16):
                print(torch.ones(2, device=device).sum().item())
        """,
    )
    done = porter("train.py")
    assert done.returncode == 0
    lines = parts(done.stderr)[1].splitlines()
    assert lines[:2] == ["nothing ran on the simulated Neuron device.", ""]
    assert lines[2] == "It asked for CUDA, got a no, and ran on CPU:"
    question = 'device = "cuda" if torch.cuda.is_available() else "cpu"'
    assert lines[3].strip() == f"1  train.py:3  PRT101 [*]  {question}"
    assert lines[4].split()[1:4] == ["train.py:5", "PRT101", "[*]"]
    assert lines[5] == "[*] `porter rewrite` changes this line."


def test_wrong_usage() -> None:
    write("train.py", TRAINING)
    for arguments, message in (
        (["--policy", "complex", "train.py"], "'complex' is not NAME=MODE"),
        (["--policy", "complx=off", "train.py"], "did you mean complex?"),
        (["--policy", "complex=maybe", "train.py"], "choose from strict, off"),
        ([], "Missing argument 'SCRIPT'"),
    ):
        done = porter(*arguments)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_a_gpu_of_this_machine_is_hidden_from_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(torch.version, "cuda", None)
    hide_cuda()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1", "a build without CUDA finds none anyway"
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    hide_cuda()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
