"""The prefilter may let through too much; it must never hold back a file in which a rule fires."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from porter.catalog import Catalogue, load
from porter.config import Settings
from porter.rules import load as load_rules
from porter.sources.kinds import kind_of
from porter.sources.prefilter import Prefilter, mentions
from tests.literate import parse

LITERATE = sorted(path for name in ("rules", "tricky") for path in (Path(__file__).parents[1] / name).rglob("*.md"))


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load()


@pytest.fixture(scope="module")
def prefilter(catalogue: Catalogue) -> Prefilter:
    settings = Settings()
    return Prefilter(catalogue, {name for name, rule in load_rules().items() if settings.enables(rule)}, ("neuron",))


@pytest.mark.parametrize("path", LITERATE, ids=lambda path: path.stem)
def test_no_rule_fires_in_a_file_that_is_rejected(path: Path, catalogue: Catalogue) -> None:
    everything = Prefilter(catalogue, load_rules())
    for case in parse(path.read_text(encoding="utf-8")):
        titled = len(case.files) > 1
        for file in case.files:
            raw = file.content.encode() if isinstance(file.content, str) else file.content
            wanted = everything.wanted(kind_of(file.path) or "python", raw, file.path)
            # A name that another file of the case gives to something is for `mentions`.
            rules = {expected.rule for expected in file.expected} - {"unused-suppression"}  # which asks no prefilter
            assert wanted or titled or not rules, f"{file.path} of {case.heading} is rejected"


@pytest.mark.parametrize(
    "code",
    [
        "import torch\ntorch.cuda.synchronize()",
        "from torch.nn.parallel import (\n  DistributedDataParallel as DDP,\n)\nDDP(m, device_ids=[0])",
        "from torch.nn.parallel import \\\n    DistributedDataParallel\n",
        "import torch.distributed as dist\ndist.monitored_barrier()",
        "import torch as th\nx = th.float16",
        "from torch import nn, half",
        "model.half()",
        "import torch\nf = torch.compile(f, mode='max-autotune')",
        "try:\n    import apex, os\nexcept ImportError: pass",
        "from flash_attn.bert_padding import pad_input",
        "import importlib\nimportlib.import_module('flash_attn')",
        "import pynvml",
        "import os\nos.environ['TORCH_FR_BUFFER_SIZE'] = '1'",
        "class Builder(Base):\n    BUILD_VAR = 'DS_BUILD_FUSED_ADAM'  # read from the environment elsewhere",
        "import subprocess\nsubprocess.run(['nsys', 'profile'])",
        "import os\nos.system('deepspeed --num_gpus 8 train.py')",
        "import os\nos.environ['CUDA_VISIBLE_DEVICES'] = '0'",
        "from torch.profiler import ProfilerActivity\nprint(ProfilerActivity.CUDA)",
        "if 'CUDA out of memory' in str(error): pass",
        "if 'out of memory' in str(error): pass",
        "pipe.enable_model_cpu_offload()",
        "from torch.library import impl\nimpl(lib, 'op', 'CUDA')",
        "from setuptools import setup\nsetup(install_requires=['triton'])",
        "from transformers import AutoModel\nAutoModel.from_pretrained(x, attn_implementation='flash_attention_2')",
        "from transformers import TrainingArguments\nTrainingArguments(fp16=True)",
    ],
)
def test_wanted(code: str, prefilter: Prefilter) -> None:
    assert prefilter.wanted("python", code.encode())


@pytest.mark.parametrize(
    "code",
    [
        "import torch\nx = torch.zeros(3).to(device)",
        "class Model:\n    _supports_flash_attn = True\n",
        "import re, threading\nre.compile('x')\nthreading.Event()",
        "# on behalf of NVIDIA\nimport concurrent.futures",
        "import torch\nprint(model.mode, x.item())",
        "from torch import nn\nnn.Linear(1, 2)",
        "loader.pin_memory()",
        "import torch\nf = torch.compile(f)",
        "import torch.distributed as dist\ndist.send(x, 1)\ndist.barrier(group)",
        "import torch\nstate = torch.load(path)",
        '"""Runs on CUDA, through subprocess."""',
        "extras = ['deepspeed']\ndef which(command): ...",
    ],
)
def test_not_wanted(code: str, prefilter: Prefilter) -> None:
    assert not prefilter.wanted("python", code.encode())


def test_rules_on_request_cost_nothing_until_they_are(catalogue: Catalogue, prefilter: Prefilter) -> None:
    code = b"import torch\nfor x in y:\n    x.nonzero()\n"
    assert not prefilter.wanted("python", code)
    assert Prefilter(catalogue, {"data-dependent-shape"}).wanted("python", code)


def test_a_target_asks_for_what_is_not_right_there(catalogue: Catalogue) -> None:
    code = b"import torch\nf = torch.compile(f)\nloader.pin_memory()\n"
    rules = {"compile-backend", "pinned-memory"}
    assert not Prefilter(catalogue, rules, ("neuron",)).wanted("python", code)
    assert Prefilter(catalogue, rules, ("xla",)).wanted("python", code)
    assert Prefilter(catalogue, rules).wanted("python", code)


def test_where_nothing_can_be_loaded_to_the_device_any_place_matters(catalogue: Catalogue) -> None:
    code = b"import torch\ndef load(path, place):\n    return torch.load(path, map_location=place)\n"
    assert not Prefilter(catalogue, {"cuda-map-location"}, ("neuron", "portable")).wanted("python", code)
    assert Prefilter(catalogue, {"cuda-map-location"}, ("xla",)).wanted("python", code)


def test_other_kinds_of_file(prefilter: Prefilter) -> None:
    assert prefilter.wanted("yaml", b"Device: CUDA\n")
    assert not prefilter.wanted("yaml", b"title: home\n")
    assert prefilter.wanted("json", b'{"amp_dtype": "half"}')
    assert prefilter.wanted("native", b"__global__ void f();")
    assert not prefilter.wanted("native", b"int main() {}")
    assert prefilter.wanted("native", b"int f();", "csrc/f.cu")
    for kind in ("requirements", "pyproject", "setup-cfg", "conda", "docker", "shell", "make", "cmake", "notebook"):
        assert prefilter.wanted(kind, b"")


def test_tokens_are_looked_for_in_utf8_only(prefilter: Prefilter) -> None:
    assert prefilter.wanted("json", codecs.BOM_UTF16_LE + "{}".encode("utf-16-le"))


def test_names_that_other_files_give() -> None:
    assert mentions(b"from .compat import amp_context", [b"amp_context"])
    assert not mentions(b"amp_context()", [b"amp_context"])
