"""What porter says after a traceback: the errors are PyTorch's own, raised by the programs below."""

from __future__ import annotations

import runpy
import sys
import warnings
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
if torch.cuda.is_available():
    pytest.skip("this machine has CUDA", allow_module_level=True)

from porter.launch.frames import chain, foremost, stack, trim  # noqa: E402
from porter.launch.hint import asks_for_cuda, hint  # noqa: E402
from porter.launch.plan import Plan  # noqa: E402
from tests.launch.program import write  # noqa: E402

# The line that fails, and the rule that has the remedy.
FAILURES = {
    "torch.zeros(1).cuda()": "PRT102",
    "nn.Linear(1, 1).cuda()": "PRT102",
    'torch.zeros(1, device="cuda")': "PRT101",
    'torch.zeros(1).to("cuda:0")': "PRT106",
    "torch.cuda.synchronize()": "PRT201",
    "torch.cuda.set_device(0)": "PRT109",
    "torch.cuda.current_device()": "PRT109",
    "torch.cuda.get_device_properties(0)": "PRT206",
    "torch.cuda.memory_summary()": "PRT202",
    "torch.cuda.reset_peak_memory_stats()": "PRT202",
    "torch.cuda.Stream()": "PRT203",
    "torch.cuda.Event()": "PRT203",
    "torch.cuda.CUDAGraph()": "PRT204",
    'torch.cuda.nvtx.range_push("step")': "PRT205",
    "torch.cuda.FloatTensor(3)": "PRT105",
    'torch.set_default_tensor_type("torch.cuda.FloatTensor")': "PRT105",
    'torch.Generator("cuda")': "PRT302",
    'dist.init_process_group("nccl", store=dist.HashStore(), rank=0, world_size=1)': "PRT501",
    "import triton": "PRT602",
    'CUDAExtension("kernels", ["kernels.cu"])': "PRT603",
}
IMPORTS = """
import torch
import torch.distributed as dist
from torch import nn
from torch.utils.cpp_extension import CUDAExtension
"""


def plan() -> Plan:
    return Plan(pid=0, simulated=True, about="the simulated Neuron device", why="", here=str(Path.cwd()))


def failure(path: Path) -> BaseException:
    """What a program dies of, with the traceback that begins in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            runpy.run_path(str(path), run_name="__main__")
        except Exception as error:
            assert error.__traceback__ is not None
            return error.with_traceback(error.__traceback__.tb_next)  # without this very frame
    raise AssertionError("the program did not fail")


def told(path: Path) -> str:
    return "\n".join(hint(failure(path), plan()))


@pytest.mark.parametrize("line", FAILURES)
def test_what_needs_cuda_is_told_with_its_rule(line: str) -> None:
    path = write("train.py", IMPORTS + f"\n\ndef main():\n    {line}\n\n\nmain()\n")
    number = path.read_text().splitlines().index(f"    {line}") + 1
    text = told(path)
    assert text.startswith(f"porter: train.py:{number} needs CUDA, which a Neuron machine does not have.\n"), text
    assert f"{FAILURES[line]} " in text.splitlines()[2], text
    assert f"--> train.py:{number}:" in text
    assert f"`porter explain {FAILURES[line]}`" in text
    assert ("`porter rewrite --write train.py`" in text) == ("help: `porter rewrite` changes this" in text)


def test_the_origin_of_a_device_is_looked_for_where_the_line_does_not_say() -> None:
    path = write(
        "train.py",
        """
        import argparse
        import torch

        parser = argparse.ArgumentParser()
        parser.add_argument("--device", default="cuda")
        options = parser.parse_args([])


        def put(tensor):
            return tensor.to(options.device)


        put(torch.zeros(3))
        """,
    )
    text = told(path)
    assert "train.py:10 needs CUDA" in text
    assert "This may be where it comes from:" in text
    assert "PRT107 [*]" in text
    assert "--> train.py:5:" in text


def test_the_origin_may_be_another_module(monkeypatch: pytest.MonkeyPatch) -> None:
    write("setup_of_mine.py", 'DEVICE = "cuda"\n')
    path = write("train.py", "import torch\nfrom setup_of_mine import DEVICE\n\nx = torch.zeros(3)\ny = x.to(DEVICE)\n")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    try:
        text = told(path)
    finally:
        sys.modules.pop("setup_of_mine", None)
    assert "train.py:5 needs CUDA" in text
    assert "--> setup_of_mine.py:1:" in text


def test_the_command_line_may_be_the_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("train.py", "import sys\nimport torch\n\ntorch.zeros(3).to(sys.argv[1].partition('=')[2])\n")
    monkeypatch.setattr(sys, "argv", ["train.py", "--device=cuda"])
    assert "The command line says `--device=cuda`" in told(path)


def test_a_checkpoint_may_be_the_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:  # as a machine with CUDA would have saved it
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        torch.save({"weight": torch.ones(2)}, "model.pt")
    text = told(write("train.py", 'import torch\n\nstate = torch.load("model.pt")\n'))
    assert "train.py:3 needs CUDA" in text
    assert "The checkpoint names the device" in text


def test_what_a_worker_raised_is_told_from_its_own_traceback() -> None:
    path = write(
        "train.py",
        """
        import torch
        from torch.utils.data import DataLoader


        class Data(torch.utils.data.Dataset):
            def __len__(self):
                return 1

            def __getitem__(self, index):
                return torch.ones(2).cuda()


        for batch in DataLoader(Data(), num_workers=1, multiprocessing_context="fork"):
            pass
        """,
    )
    assert "train.py:10 needs CUDA" in told(path)


def test_the_cause_is_told_where_it_was_wrapped() -> None:
    path = write(
        "train.py",
        """
        import torch

        try:
            torch.zeros(3).cuda()
        except AssertionError as error:
            raise RuntimeError("no luck") from error
        """,
    )
    assert "train.py:4 needs CUDA" in told(path)


UNRELATED = (
    "{}['key']",
    "1 / 0",
    "torch.zeros(3) @ torch.zeros(4)",
    "torch.device('neurn')",  # PyTorch's message lists every kind of device
    "torch.ops.aten._nested_tensor_size(torch.zeros(3))",  # and here every backend
    "open('cuda/weights.pt')",
)


@pytest.mark.parametrize("line", UNRELATED)
def test_nothing_is_said_of_what_has_nothing_to_do_with_cuda(line: str) -> None:
    assert told(write("train.py", f"import torch\n\ntorch.manual_seed(0)\n{line}\n")) == ""


def test_a_package_that_needs_cuda_and_is_not_there() -> None:
    text = told(write("train.py", "import torch\nfrom flash_attn import flash_attn_func\n"))
    assert text.startswith("porter: train.py:2 failed. This may be why:\n")
    assert "PRT704" in text


def test_what_stands_at_the_very_line_is_told_whatever_went_wrong() -> None:
    text = told(write("train.py", "import torch\n\nprops = {}\nprops[torch.cuda.is_available()]\n"))
    assert text.startswith("porter: train.py:4 failed. This may be why:\n")
    assert "PRT108" in text


def test_a_package_is_told_of_only_where_no_line_of_the_program_is() -> None:
    error = failure(write("train.py", "import torch\n\ntorch.zeros(1).cuda()\n"))
    assert asks_for_cuda(error)
    assert [place.line for place in foremost(stack(error)) if place.path.endswith("train.py")] == [3]
    assert list(chain(error)) == [error]


def test_trim_leaves_what_is_not_porters() -> None:
    error = failure(write("train.py", "import torch\n\ntorch.zeros(1).cuda()\n"))
    before = [place.path for place in stack(error)]
    trim(error)
    assert [place.path for place in stack(error)] == before
