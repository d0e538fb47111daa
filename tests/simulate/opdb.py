"""PyTorch's own operator samples on the simulated device, against CPU: ``python -m tests.simulate.opdb``

`torch.testing._internal.common_methods_invocations.op_db` has samples for every operator, written by PyTorch's authors
to test PyTorch itself. Each operator runs in float32 and bfloat16, forward and, where it has one, backward. A worker
process runs one after the other and is replaced if it hangs or dies. What is not expected to pass is in `opdb.toml`,
with the reason; the exit status is 0 if exactly that fails.
"""

from __future__ import annotations

import argparse
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DTYPES = ("float32", "bfloat16")
PASS, FAIL, HANG, DIED, NOTHING = "pass", "fail", "hang", "died", "nothing to run"

# Nothing to compare but size and type: the values are whatever the memory held.
UNINITIALISED = frozenset({"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"})

# What PyTorch itself wants on CPU, whatever the device of the first argument.
HOST_ARGUMENTS = frozenset({"tensor_split"})


@dataclass(frozen=True)
class Outcome:
    """What became of one operator in one data type."""

    operator: str
    dtype: str
    status: str
    samples: int = 0
    detail: str = ""


# --- in the worker ---------------------------------------------------------------------------------------------------


def policies() -> dict[str, str]:
    """Modes for policies: the samples ask what the device computes, not what it would refuse, but for mixed devices."""
    from porter.simulate.policies import OFF, POLICIES

    return {name: OFF for name in POLICIES if name != "mixed_devices"}


def operators() -> dict[str, Any]:
    """PyTorch's descriptions of its operators, by name and variant."""
    from torch.testing._internal.common_methods_invocations import op_db

    return {f"{op.name}:{op.variant_test_name}" if op.variant_test_name else op.name: op for op in op_db}


def judge(op: Any, name: str, dtype: str, most: int) -> Outcome:
    """Run an operator's samples on both devices; the first that differs is the outcome."""
    import torch

    kind, ran = getattr(torch, dtype), 0
    if kind not in op.dtypes:
        return Outcome(name, dtype, NOTHING)
    backward = op.supports_autograd and kind in op.backward_dtypes
    for sample in islice(op.sample_inputs("cpu", kind, requires_grad=backward), most):
        try:
            expected = _run(op, sample, "cpu", backward)
        except Exception:  # a sample that CPU refuses is none of ours
            continue
        try:
            actual = _run(op, sample, "neuron", backward)
            _compare(actual, expected, values=op.name not in UNINITIALISED)
        except Exception as error:
            lines = " ".join(str(error).split())
            return Outcome(name, dtype, FAIL, ran, f"sample {ran}: {type(error).__name__}: {lines[:300]}")
        ran += 1
    return Outcome(name, dtype, PASS if ran else NOTHING, ran)


def _run(op: Any, sample: Any, device: str, backward: bool) -> list[Any]:
    """The results of one call, and the gradients of everything that has one, all on CPU."""
    import torch
    from torch.utils._pytree import tree_leaves, tree_map

    def move(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            moved = value.detach().clone().to(device)
            return moved.requires_grad_(value.requires_grad)
        if isinstance(value, torch.device) or (isinstance(value, str) and value == "cpu"):
            return device
        return value

    args, kwargs = tree_map(move, ((sample.input, *sample.args), sample.kwargs))
    if op.name in HOST_ARGUMENTS:
        args = (args[0], *sample.args)
    given = any(
        isinstance(leaf, (torch.Tensor, torch.device)) or (isinstance(leaf, str) and leaf == device)
        for leaf in tree_leaves((args, kwargs))
    )
    torch.manual_seed(0)
    result = op.get_op()(*args, **kwargs)
    results = tree_leaves(sample.output_process_fn_grad(result))
    inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    outputs = [leaf for leaf in results if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    grads: Sequence[Any] = ()
    if backward and inputs and outputs:
        grads = torch.autograd.grad(outputs, inputs, [torch.ones_like(each) for each in outputs], allow_unused=True)
    found = [*tree_leaves(result), *grads]
    for leaf in found:
        if given and isinstance(leaf, torch.Tensor):
            assert leaf.device.type == device, f"a result is on {leaf.device}"
    return [leaf.detach().cpu() if isinstance(leaf, torch.Tensor) else leaf for leaf in found]


def _compare(actual: list[Any], expected: list[Any], *, values: bool) -> None:
    import torch

    assert len(actual) == len(expected), f"{len(actual)} results, not {len(expected)}"
    for ours, theirs in zip(actual, expected, strict=True):
        assert type(ours) is type(theirs), f"{type(ours).__name__}, not {type(theirs).__name__}"
        if not isinstance(ours, torch.Tensor):
            assert ours == theirs or ours != ours, f"{ours!r}, not {theirs!r}"
            continue
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype), (
            f"{ours.shape} {ours.dtype}, not {theirs.shape} {theirs.dtype}"
        )
        if values:
            torch.testing.assert_close(ours, theirs, equal_nan=True)


def work(most: int) -> None:
    """Judge the operators named on standard input, one a line; one line of JSON for each."""
    import warnings

    import torch

    from porter.simulate import Settings, install

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    install(Settings(policies=policies()))
    known = operators()
    if most == 0:
        print(json.dumps(list(known)), flush=True)
        return
    for line in sys.stdin:
        name, dtype = line.split()
        print(json.dumps(asdict(judge(known[name], name, dtype, most))), flush=True)


# --- in the parent ---------------------------------------------------------------------------------------------------


class Worker:
    """A process that judges; started again when it was lost."""

    def __init__(self, most: int, patience: float) -> None:
        self._most, self._patience = most, patience
        self._process: subprocess.Popen[str] | None = None

    def judge(self, name: str, dtype: str) -> Outcome:
        """The outcome for one operator: HANG if it took longer than patience, in seconds, DIED if the process did."""
        process = self._process if self._process and self._process.poll() is None else self._start()
        assert process.stdin is not None
        process.stdin.write(f"{name} {dtype}\n")
        process.stdin.flush()
        try:
            line = self._lines.get(timeout=self._patience)
        except queue.Empty:
            self.close()
            return Outcome(name, dtype, HANG)
        if not line:
            return Outcome(name, dtype, DIED, detail=f"exit status {process.wait()}")
        return Outcome(**json.loads(line))

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.simulate.opdb", "--work", str(self._most)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._process, self._lines = process, queue.Queue[str]()
        threading.Thread(target=self._read, args=(process, self._lines), daemon=True).start()
        return process

    @staticmethod
    def _read(process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put("")

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def names() -> list[str]:
    """The names of all operators."""
    command = [sys.executable, "-m", "tests.simulate.opdb", "--work", "0"]
    found: list[str] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return found


def exceptions() -> dict[str, dict[str, str]]:
    """Operators that are not expected to pass, with the reason: `sparse` ones, and `dense` ones."""
    with Path(__file__).with_suffix(".toml").open("rb") as file:
        return tomllib.load(file)


def run(chosen: Sequence[str], most: int, patience: float) -> Iterator[Outcome]:
    """The outcome of each chosen operator in each data type."""
    worker = Worker(most, patience)
    try:
        for name in chosen:
            for dtype in DTYPES:
                yield worker.judge(name, dtype)
    finally:
        worker.close()


def report(chosen: Sequence[str], *, samples: int, patience: float) -> int:
    """Run the chosen operators, or all; print what failed, and the count. 0 if nothing came unexpected."""
    known, statuses = exceptions(), dict[str, set[str]]()
    reasons = known["sparse"] | known["dense"]
    for outcome in run(chosen or names(), samples, patience):
        statuses.setdefault(outcome.operator, set()).add(outcome.status)
        if outcome.status not in (PASS, NOTHING):
            why = reasons.get(outcome.operator, "UNEXPECTED")
            print(f"{outcome.status} {outcome.operator} {outcome.dtype}: {outcome.detail} ({why})", flush=True)
    ran = {name for name, found in statuses.items() if found != {NOTHING}}
    failed = {name for name in ran if statuses[name] - {PASS, NOTHING}}
    dense = ran - known["sparse"].keys()
    print(f"{len(dense - failed)} of {len(dense)} dense operators pass ({len(dense - failed) / len(dense):.2%})")
    if surprising := sorted(failed - reasons.keys()):
        print(f"not expected to fail: {', '.join(surprising)}")
    if mended := sorted(reasons.keys() & ran - failed):
        print(f"expected to fail, but pass: {', '.join(mended)}")
    return int(bool(surprising or mended))


def main() -> None:
    """What to run, by the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("operator", nargs="*", help="names of operators; all if there is none")
    parser.add_argument("--samples", type=int, default=10_000, help="at most so many of each operator")
    parser.add_argument("--patience", type=float, default=300, help="seconds for one operator")
    parser.add_argument("--work", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work is not None:
        work(options.work)
    else:
        sys.exit(report(options.operator, samples=options.samples, patience=options.patience))


if __name__ == "__main__":
    main()
