"""`porter verify` as a user runs it, on the CPU: real processes, real programs, real failures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.verify.conftest import ROOT, Program

pytest.importorskip("torch", reason="porter verify needs torch")

CPU = ("--backend", "cpu")


def test_a_faithful_port_passes(faithful: dict[str, Any]) -> None:
    outcome = faithful["trained"]
    assert (outcome["verdict"], outcome["oracle"]["reused"]) == ("PASS", False)
    assert {measure["kind"] for measure in outcome["measures"]} == {"state", "loss", "output", "gradient", "update"}
    ours, theirs = outcome["losses"]["loss"]
    assert len(ours) == len(theirs) == 5
    assert ours[-1] < ours[0]


def test_a_wrong_constant_fails_and_its_layer_is_named(program: Program) -> None:
    program.change("port/model.py", "x * 0.5", "x * 0.51")
    done = program.run(*CPU, "--per-layer")
    assert done.returncode == 1
    assert "First divergence: in `scale` (Scale)" in done.stdout
    assert "1 FAIL" in done.stdout


def test_a_wrong_learning_rate_is_found(program: Program) -> None:
    program.change("porter_cases.py", "lr=0.1", 'lr=0.1 if os.getcwd().endswith("original") else 0.2')
    program.change("porter_cases.py", "def trained(device):", "def trained(device):\n    import os\n")
    outcome = program.outcome(*CPU, "--case", "trained", "--refreeze", status=1)
    assert {m["kind"] for m in outcome["measures"] if not m["passed"]} == {"loss", "update"}


def test_drift_of_a_key_of_the_state_dict_fails(program: Program) -> None:
    program.change("port/model.py", "self.head", "self.tail")
    outcome = program.outcome(*CPU, status=1)
    assert outcome["reason"] == "state `head.weight`: missing in the port's state dict, and 3 more"


def test_bfloat16_has_a_tolerance_of_its_own(program: Program) -> None:
    program.change("port/model.py", "return x * 0.5", 'print("{noise"); return (x * 0.5).bfloat16().float()')
    assert program.outcome(*CPU, status=1)["verdict"] == "FAIL"
    program.change("porter_cases.py", '{"factory": net}', '{"factory": net, "precision": "bfloat16"}')
    assert program.outcome(*CPU, "--refreeze", status=0)["verdict"] == "PASS"


def test_a_crash_is_a_failure_with_the_users_traceback(program: Program) -> None:
    program.change("port/model.py", "return x * 0.5", 'raise RuntimeError("not ported yet")')
    outcome = program.outcome(*CPU, status=1)
    assert outcome["reason"] == "RuntimeError: not ported yet"
    assert str(Path("port") / "model.py") in outcome["detail"]
    assert str(Path("verify") / "training.py") not in outcome["detail"]


def test_a_process_that_dies_is_a_failure(program: Program) -> None:
    program.change("port/model.py", "return x * 0.5", "import os; os.abort()")
    assert program.outcome(*CPU, status=1)["reason"] == "killed by SIGABRT"


def test_the_time_limit_ends_the_case_with_its_children(program: Program) -> None:
    waiting = 'import subprocess, sys; subprocess.run([sys.executable, "-c", "import time; time.sleep(99)"])'
    program.change("port/model.py", "import torch\n", f"{waiting}\n")
    outcome = program.outcome(*CPU, "--timeout", "2.5", status=1)
    assert outcome["reason"] == "not done after 2.5 s"


def test_a_frozen_oracle_that_was_changed_is_refused(program: Program) -> None:
    results = program.folder / ".porter_oracle" / "net" / "results.pt"
    results.write_bytes(results.read_bytes()[:-1] + b"!")
    outcome = program.outcome(*CPU, status=1)
    assert "results.pt was changed after freezing" in outcome["reason"]
    assert "--refreeze" in outcome["reason"]


def test_a_training_step_of_the_programs_own(fresh: Program) -> None:
    fresh.write(
        "porter_cases.py",
        """
def two(device):
    import torch
    from model import Net
    from torch import nn

    model = nn.ModuleDict({"a": Net(), "b": nn.Linear(4, 2)}).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(x):
        optimizer.zero_grad()
        first = model["a"](x)
        losses = {"a": first.square().mean(), "b": model["b"](first).square().mean()}
        sum(losses.values()).backward()
        optimizer.step()
        return losses

    return {"model": model, "inputs": [torch.randn(8, 16), torch.randn(8, 16)], "step": step}


CASES = {"net": {"factory": two, "steps": 4}}
""",
    )
    outcome = fresh.outcome(*CPU, status=0)
    assert {name: len(series[1]) for name, series in outcome["losses"].items()} == {"a": 4, "b": 4}
    assert any(m["kind"] == "update" and m["name"] == "b.weight" for m in outcome["measures"])


def test_code_that_only_knows_cuda(fresh: Program) -> None:
    fresh.change("original/model.py", "nn.Linear(32, 4)", 'nn.Linear(32, 4, device="cuda")')
    outcome = fresh.outcome(*CPU, status=1)
    assert "cuda_on_cpu" in outcome["reason"]
    fresh.change("porter_cases.py", '{"factory": net}', '{"factory": net, "cuda_on_cpu": True}')
    done = fresh.run(*CPU)
    assert done.returncode == 0
    assert "CUDA calls mapped to it" in done.stdout
    assert "mapped to the CPU, for that run alone" in " ".join(done.stdout.split())


def test_a_report_in_a_file(fresh: Program) -> None:
    done = fresh.run("--backend", "neuron", "--format", "junit", "-o", "verify.xml")
    assert (done.returncode, done.stdout) == (0, "")
    assert "1 UNVERIFIED" in done.stderr
    assert ElementTree.parse(fresh.folder / "verify.xml").getroot().tag == "testsuites"


def test_a_required_backend_that_did_not_run(fresh: Program) -> None:
    outcome = fresh.outcome("--backend", "neuron", status=0)
    assert outcome["verdict"] == "UNVERIFIED"
    assert "pip.repos.neuron.amazonaws.com" in outcome["reason"]
    assert not (fresh.folder / ".porter_oracle").exists(), "an oracle that nobody needs"
    assert fresh.outcome("--backend", "neuron", "--require", "neuron", status=1)["required"]


def test_xla_without_its_environment_says_how_to_build_it(fresh: Program) -> None:
    outcome = fresh.outcome("--backend", "xla-cpu", "--env-dir", "nowhere", status=0)
    assert outcome["verdict"] == "UNVERIFIED"
    assert "porter verify --setup xla-cpu --env-dir" in outcome["reason"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--case", "nett"), "has no case `nett`; did you mean `net`?"),
        (("--backend", "gpu"), "is not one of"),
        (("original",), "no cases"),
    ],
)
def test_wrong_usage_ends_with_2(fresh: Program, options: tuple[str, ...], message: str) -> None:
    done = fresh.run(*options)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_file_of_cases_that_cannot_be_imported(fresh: Program) -> None:
    fresh.write("porter_cases.py", "import nothing_of_that_name\n")
    done = fresh.run(*CPU)
    assert done.returncode == 2
    assert "No module named 'nothing_of_that_name'" in done.stderr


def test_without_torch_it_says_what_to_install(fresh: Program) -> None:
    fresh.write(
        "blind.py",
        "import importlib.util, sys\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'torch' else find(name, *more)\n"
        "from porter.cli import main\n"
        "sys.exit(main(['verify']))\n",
    )
    done = subprocess.run(
        [sys.executable, "blind.py"],
        cwd=fresh.folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'trn-porter[verify]'" in done.stderr


def test_help_says_that_it_executes_the_programs_code(fresh: Program) -> None:
    assert "This executes the program's code" in fresh.run("--help").stdout


def test_cases_in_pyproject(fresh: Program) -> None:
    (fresh.folder / "porter_cases.py").rename(fresh.folder / "cases.py")
    fresh.write(
        "pyproject.toml",
        """
[tool.porter.verify]
backends = ["cpu"]
require = ["cpu"]
oracle = "frozen"

[tool.porter.verify.cases.net]
factory = "cases.py:net"
seed = 7
""",
    )
    outcome = fresh.outcome(status=0)
    assert (outcome["case"], outcome["backend"], len(outcome["losses"]["loss"][0])) == ("net", "cpu", 1)
    assert json.loads((fresh.folder / "frozen" / "net" / "manifest.json").read_text())["case"]["seed"] == 7
