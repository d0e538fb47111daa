"""What findings say, where the verdict alone would not tell a right reason from a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from porter import engine
from porter.config import load
from tests.literate import pack

TESTS_OF_WEIGHTS = """
from transformers import BitsAndBytesConfig

@require_bitsandbytes
def test_weights():
    BitsAndBytesConfig(load_in_8bit=True)

@require_torch
def test_model():
    BitsAndBytesConfig(load_in_8bit=True)
"""

TYPES = """import torch
copy = [p.type(torch.cuda.FloatTensor) for p in net.parameters()]
if x.type() == "torch.cuda.HalfTensor":
    pass
"""

LOSSES = """import torch

def losses(x):
    loss = torch.sum(x)
    label = torch.zeros(3)
    return loss, label, torch.nn.Linear(2, 2)

def step(x):
    loss, label, net = losses(x)
    label.cuda()
    net.cuda()
"""

LAUNCHES = """
import triton
import triton.language as tl

@triton.jit
def _scale(x, n):
    tl.store(x, tl.load(x) * 2)

def scale(x):
    if x.is_cuda:
        _scale[(triton.cdiv(x.numel(), 8),)](x, x.numel())

def checked(x):
    assert x.is_cuda, "on the GPU"
    blocks = triton.cdiv(x.numel(), 8)
    _scale[(blocks,)](x, x.numel())
"""

OPTIMIZERS = """
from apex.optimizers import FusedAdam

def decayed(parameters, **options):
    return FusedAdam(parameters, **options)

def plain(parameters, **options):
    return FusedAdam(parameters, adam_w_mode=False, **options)
"""

IN_BFLOAT16 = 'Write `torch.autocast("neuron", dtype=torch.bfloat16)`'
INFERENCE = """
import torch

def plain(net: torch.nn.Module, x):
    with torch.no_grad(), torch.cuda.amp.autocast():
        out = net(x)
    return out.detach().cpu().numpy()

def cast(net: torch.nn.Module, x):
    with torch.cuda.amp.autocast():
        out = net(x)
        found = out.argmax(1)
    return out.float().numpy(), found.numpy()
"""

MOVED = """
class Embedder:
    def cuda(self):
        self.network.cuda()

def prepare(embedder, batch):
    embedder.cuda()
"""

GATED = """
import unittest
import torch

@unittest.skipUnless(torch.cuda.is_available(), "CUDA required")
class TestGroup(unittest.TestCase):
    def test_group(self):
        self.create_group("cuda")
        torch.cuda.synchronize()
"""

CONDA = """
channels: [pytorch]
dependencies:
  - cudatoolkit=10.1
  - nvidia-apex=0.1
"""

NAMES = """
import torch

half = not True in [gpu in torch.cuda.get_device_name(0) for gpu in ("1650", "1660")]
"""

STEPS = """
import torch

class Experiment:
    def step(self, batch, target):
        with torch.cuda.amp.autocast():
            out = self.model(batch)
        return out, target

    def test(self, loader):
        for batch, target in loader:
            prediction, wanted = self.step(batch, target)
            yield wanted.numpy(), prediction.detach().cpu().numpy()

class Exact(Experiment):
    def labels(self, batch, target):
        with torch.cuda.amp.autocast():
            out = self.model(batch)
        return out, target

    def test(self, loader):
        for batch, target in loader:
            out, wanted = self.labels(batch, target)
            yield wanted.numpy()
"""

CHAINS = """
import torch

def device(kept):
    if torch.cuda.is_available():
        return torch.device("cuda")
    elif torch.xpu.is_available():
        return torch.device("xpu")
    else:
        return kept

def host():
    if torch.cuda.is_available():
        return torch.device("cuda")
    elif torch.xpu.is_available():
        return torch.device("xpu")
    else:
        return torch.device("cpu")
"""

BUILDERS = """
docker run --rm -v "$PWD:/inside" pytorch/conda-builder:cuda118 bash build.sh
docker run --rm images/trainer:cuda118 python train.py
"""

VENDORS = """
import torch

class Trainer:
    def __init__(self, options):
        self.cuda = torch.cuda.is_available() and not options.tpu
        if self.cuda:
            self.device = torch.device("cuda")
        elif options.tpu:
            self.device = tpu_device()
        else:
            self.device = torch.device("cpu")
"""


DEFAULT = """
import torch

def points(data):
    return torch.Tensor(data)

torch.set_default_tensor_type(torch.cuda.DoubleTensor)
"""


@pytest.mark.parametrize(
    ("path", "source", "line", "told"),
    [
        ("tests/test_weights.py", TESTS_OF_WEIGHTS, 6, "A test of `bitsandbytes`: there is nothing to test on Neuron."),
        ("tests/test_weights.py", TESTS_OF_WEIGHTS, 10, "Load the model in bfloat16"),
        ("weights.py", TESTS_OF_WEIGHTS, 6, "Load the model in bfloat16"),
        (
            "launch.py",
            LAUNCHES,
            10,
            "Left as it is: it keeps Neuron out of `_scale`, where `triton.language` needs CUDA.",
        ),
        (
            "infer.py",
            INFERENCE,
            5,
            f"{IN_BFLOAT16}. Line 7 hands `out` to NumPy, which has no bfloat16: `.float()` first.",
        ),
        ("infer.py", INFERENCE, 10, f"{IN_BFLOAT16}. bfloat16 is the dtype to use"),
        (
            "moved.py",
            MOVED,
            7,
            'If it is a tensor or a module, write `.to("neuron")`. porter does not know the receiver: nothing in'
            " this file says what it is; `Embedder` of this repository has a `cuda()` of its own",
        ),
        (
            "steps.py",
            STEPS,
            6,
            f"{IN_BFLOAT16}. Line 13 hands `prediction` to NumPy, which has no bfloat16: `.float()` first.",
        ),
        ("steps.py", STEPS, 17, f"{IN_BFLOAT16}. bfloat16 is the dtype to use"),
        ("launch.py", LAUNCHES, 14, "Port `_scale` first, where `triton.language` needs CUDA, and this test with it."),
        ("tests/test_gate.py", GATED, 5, 'Port line 8 first, where `"cuda"` stays, and this test with it.'),
        ("tests/test_gate.py", GATED, 8, 'Write `"neuron"` if it names the device to run on.'),
        ("tests/test_gate.py", GATED, 9, "Line 5 says that the test is for CUDA: port it first."),
        ("optim.py", OPTIMIZERS, 5, "Write `torch.optim.AdamW` by hand."),
        ("optim.py", OPTIMIZERS, 8, "Write `torch.optim.Adam` by hand."),
        (
            "default.py",
            DEFAULT,
            7,
            'Write `torch.set_default_dtype(torch.float64)` and `torch.set_default_device("neuron")` by hand. '
            "`torch.Tensor(...)`, as in line 5, stays on the CPU with a default device: "
            "make it `torch.tensor(..., dtype=...)`.",
        ),
        ("names.py", NAMES, 4, "Line 4 looks for `gpu` in it: add Neuron's chips (`trn2`) there."),
        ("go.sh", BUILDERS, 2, "Leave it where packages for CUDA are built"),
        ("go.sh", BUILDERS, 3, "Start from AWS's image"),
        ("trainer.py", VENDORS, 6, 'Port line 8 first, where `"cuda"` stays, and this test with it.'),
        (
            "environment.yml",
            CONDA,
            5,
            "Replace what is used of it by what torch has: `torch.autocast`, `torch.optim.AdamW`, "
            "`torch.nn.LayerNorm`, `DistributedDataParallel`. Line 4 belongs to it, and stays: change them together.",
        ),
        ("chain.py", CHAINS, 5, "One arm of a chain over `xpu`, which ends in an `else` for Neuron."),
        ("chain.py", CHAINS, 6, "See what Neuron gets in the `else` of this chain over `xpu`"),
        ("chain.py", CHAINS, 13, "Add an arm for Neuron to this chain over `xpu`"),
        ("chain.py", CHAINS, 14, "Add an arm for Neuron to this chain over `xpu`"),
        ("train.sh", "python train.py --gpus 0,1\npython train.py --gpus 8\n", 1, "Name one core (`0`): a process"),
        ("train.sh", "python train.py --gpus 0,1\npython train.py --gpus 8\n", 2, "Count logical NeuronCores instead"),
        ("types.py", TYPES, 2, 'Write `.to("neuron", torch.float32)`.'),
        ("types.py", TYPES, 3, "Compare the dtype: `.dtype`, with `torch.float16`."),
        ("losses.py", LOSSES, 10, 'Write `.to("neuron")`. The receiver is made by `torch.zeros`, line 5.'),
        ("losses.py", LOSSES, 11, 'Write `.to("neuron")`. The receiver is made by `torch.nn.Linear`, line 6.'),
        ("launch.sh", "nvidia-docker build -t x .\nnvidia-docker run x\n", 1, "Write `docker`: devices are given when"),
        ("launch.sh", "nvidia-docker build -t x .\nnvidia-docker run x\n", 2, "Run `docker` with `--device"),
    ],
)
def test_advice(path: str, source: str, line: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(source)
    report = engine.run(["."], load(tmp_path, overrides={"jobs": 1, "cache": False}))
    assert [f.advice for f in report.findings if f.line == line and f.advice.startswith(told)]


SEEDS = """
import torch

torch.manual_seed(0)
torch.cuda.manual_seed(0)
torch.cuda.empty_cache()
"""


@pytest.mark.parametrize(
    ("torch", "line", "told"),
    [
        ("2.6", 5, "Delete it: this seed is given just before."),
        ("2.6", 6, "Write `torch.get_device_module().empty_cache`"),
        ("2.9", 6, "Write `torch.accelerator.empty_cache`"),
    ],
)
def test_what_is_written_is_told(
    torch: str, line: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(SEEDS)
    wishes = {"jobs": 1, "cache": False, "target": "portable", "min-torch": torch}
    found = engine.rewrite(["."], load(tmp_path, overrides=wishes)).report.findings
    assert [f.advice for f in found if f.line == line and f.advice.startswith(told)]


def test_a_line_of_another_file_is_not_one_of_the_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("layers.py").write_text("import math\n\nimport flash_attn\n")
    Path("train.ipynb").write_text(pack(f"# %%\nimport math\n# %%\n!pip install flash-attn\n{NAMES}"))
    report = engine.run(["train.ipynb", "layers.py"], load(tmp_path, overrides={"jobs": 1, "cache": False}))
    told = [f.advice for f in report.findings if f.path == "train.ipynb"]
    assert any("Line 3 of `layers.py` imports it" in advice for advice in told)
    assert any(advice.startswith("Line 5 looks for `gpu` in it") for advice in told)


@pytest.mark.parametrize("beside", ["setup.py", "train.py"])
def test_requirements_that_setup_may_read(beside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("requirements.txt").write_text("torch==2.6.0\n")
    Path(beside).write_text("print(open('requirements.txt').read())\n")
    (finding,) = engine.run(["."], load(tmp_path, overrides={"jobs": 1, "cache": False})).findings
    assert ("hands this file to setuptools" in finding.advice) == (beside == "setup.py")


def test_what_a_file_loads_is_told_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fast.py").write_text("import triton\n\n\ndef plain(x):\n    return x + 1\n")
    Path("test_fast.py").write_text(
        "import torch\nfrom fast import plain\n\n\ndef test_it():\n    plain(torch.ones(3).cuda())\n"
    )
    found = engine.run(["."], load(tmp_path, overrides={"jobs": 1, "cache": False})).findings
    told = next(f.advice for f in found if f.path == "test_fast.py")
    assert told == "It uses `plain`, whose file loads `triton`, which needs CUDA: port both together."


def test_where_the_gpu_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    chooses = "import os\nimport torch\n\ndef main():\n    os.environ['CUDA_VISIBLE_DEVICES'] = '1'\n"
    Path("a.py").write_text(f"{chooses}    torch.zeros(3).cuda()\n")
    Path("b.py").write_text(f"{chooses}    print()\n    torch.zeros(3).cuda()\n")
    Path("c.py").write_text("import torch\n\ntorch.zeros(3).cuda()\n")
    report = engine.run(["."], load(tmp_path, overrides={"jobs": 1, "cache": False, "target": "portable"}))
    told = {f.path: f.advice for f in report.findings if f.name == "cuda-method"}
    assert "leaves it: line 5 sets" in told["a.py"]
    assert "leaves it: line 5 sets" in told["b.py"]
    assert "leaves it: line 5 of `a.py` sets" in told["c.py"]


@pytest.mark.parametrize("behind", [True, False])
def test_a_script_that_chooses_its_gpu(behind: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = ["import torch\n", "os.environ['CUDA_VISIBLE_DEVICES'] = '1'\n"]
    Path("a.py").write_text(
        "".join(["import os\n", *(lines if behind else reversed(lines)), "torch.zeros(3).cuda()\n"])
    )
    report = engine.run(["."], load(tmp_path, overrides={"jobs": 1, "cache": False, "target": "portable"}))
    (told,) = [f for f in report.findings if f.name == "cuda-method"]
    assert ("leaves it: line 3 sets" in told.advice) == behind == (told.fix is None)
