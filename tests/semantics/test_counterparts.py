"""What takes a package's place computes the same: programs run with the documented formulas, and once rewritten."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import sys
from collections.abc import Callable

import pytest

from porter import catalog
from porter.api import rewrite_source
from porter.catalog.schema import Row

torch = pytest.importorskip("torch")

from tests.semantics.references import modules  # noqa: E402

ATTENTION = [
    ("from flash_attn import flash_attn_func", "flash_attn_func(q, k, v)"),
    ("from flash_attn import flash_attn_func", "flash_attn_func(q, k, v, causal=True)"),
    ("from flash_attn import flash_attn_func", "flash_attn_func(q, k, v, 0.0, 0.3, True)"),
    ("from flash_attn import flash_attn_func", "flash_attn_func(k=k, v=v, q=q, softmax_scale=2.0, deterministic=True)"),
    ("from flash_attn import flash_attn_func", "flash_attn_func(q + k, k, 2 * v, causal=causal).view(2, 5, 12)"),
    ("from flash_attn import flash_attn_func", "flash_attn_func(h.transpose(1, 2), k, v, window_size=(-1, -1))"),
    ("from flash_attn import flash_attn_func", "flash_attn_func(q, k, v).transpose(1, 2)"),
    ("from flash_attn import flash_attn_func as fa\nn_kv_heads = 1", "fa(q, k[:, :, :1], v[:, :, :1], causal=True)"),
    ("from flash_attn import flash_attn_func", "flash_attn_func(q, long, long, softmax_scale=0.1)"),
    ("import flash_attn", "flash_attn.flash_attn_qkvpacked_func(torch.stack([q, k, v], 2), causal=True)"),
    ("import flash_attn", "flash_attn.flash_attn_kvpacked_func(q, torch.stack([k, v], dim=2), 0.0, None, True)"),
    (
        "import xformers.ops as xops\nq, k, v = (x.view(2, 5, 3, 4) for x in (q, k, v))",
        "xops.memory_efficient_attention(q, k, v)",
    ),
    (
        "import xformers\nimport xformers.ops\nq = q.reshape(2, 5, 3, 4)",
        "xformers.ops.memory_efficient_attention(q, k, v, attn_bias=xformers.ops.LowerTriangularMask(), scale=0.5)",
    ),
    (
        "from xformers.ops import memory_efficient_attention\nq, k, v = map(lambda x: x.reshape(6, 5, 4), (q, k, v))",
        "memory_efficient_attention(q, k, v, None, 0.0, 0.2)",
    ),
]

STEPS = [
    ("from apex.optimizers import FusedAdam", "FusedAdam([p])"),
    ("from apex.optimizers import FusedAdam", "FusedAdam([p], lr=0.1, adam_w_mode=True, set_grad_none=False)"),
    ("from apex.optimizers import FusedAdam", "FusedAdam([p], 0.1, True, (0.8, 0.9), 1e-3, True, 0.3)"),
    ("from apex.optimizers import FusedAdam", "FusedAdam([p], lr=0.1, weight_decay=0.3, adam_w_mode=False)"),
    ("from apex.optimizers import FusedAdam", "FusedAdam([p], lr=0.1, adam_w_mode=False)"),
    ("import apex.optimizers", "apex.optimizers.FusedSGD([p], 0.1, momentum=0.9, weight_decay=0.1, nesterov=True)"),
    ("import apex.optimizers", "apex.optimizers.FusedSGD([p], 0.1, 0.9, 0.5, 0.1, set_grad_none=True)"),
    ("import apex.optimizers as ao", "ao.FusedAdagrad([p], 0.1, 1e-3, 0.2)"),
    ("from deepspeed.ops.adam import FusedAdam", "FusedAdam([p], lr=0.1, betas=(0.8, 0.9), bias_correction=True)"),
    ("from deepspeed.ops.adam import DeepSpeedCPUAdam", "DeepSpeedCPUAdam([p], 0.1, True, (0.8, 0.9), 1e-6, 0.2)"),
    ("from deepspeed.ops.adam import DeepSpeedCPUAdam", "DeepSpeedCPUAdam(model_params=[p], lr=0.1, adamw_mode=False)"),
    ("import bitsandbytes as bnb", "bnb.optim.Adam8bit([p], lr=0.1)"),
    ("import bitsandbytes as bnb", "bnb.optim.Adam8bit([p], 0.1, (0.8, 0.9), 1e-6, 0.3, min_8bit_size=16)"),
    ("import bitsandbytes as bnb", "bnb.optim.PagedAdam32bit([p], lr=0.1, weight_decay=0.3)"),
    ("import bitsandbytes as bnb", "bnb.optim.AdamW8bit([p], lr=0.1)"),
    ("import bitsandbytes as bnb", "bnb.optim.SGD8bit([p], 0.1, 0.9, 0.5, 0.1, True)"),
]

NORMS = [
    ("from apex.normalization import FusedLayerNorm", "FusedLayerNorm(4)"),
    ("from apex.normalization import FusedLayerNorm", "FusedLayerNorm(4, 0.1, memory_efficient=True)"),
    ("from apex.normalization import FusedRMSNorm", "FusedRMSNorm(4)"),
    ("from apex.normalization import FusedRMSNorm", "FusedRMSNorm(4, eps=0.1, elementwise_affine=False)"),
]

TENSORS = """\
torch.manual_seed(0)
q, k, v, h = torch.randn(4, 2, 5, 3, 4).unbind()
h, long, causal = h.transpose(1, 2), torch.randn(2, 7, 3, 4), True
"""
TRAINING = """\
torch.manual_seed(0)
p = torch.nn.Parameter(torch.randn(3, 4))
optimizer = {}
for _ in range(3):
    optimizer.zero_grad()
    (p * torch.arange(12.0).view(3, 4)).sin().sum().backward()
    optimizer.step()
result = p
"""


ROWS = [row for row in catalog.load().rows() if row.signature is not None and row.neuron.action == "call"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_signatures_fit_what_takes_the_place(row: Row) -> None:
    signature = row.signature
    assert signature is not None
    kept = [signature.renamed.get(name, name) for name in signature.parameters if name not in signature.dropped]
    packed = "attention" in row.neuron.replacement  # where one argument becomes several, or a mask a flag
    for name in {row.neuron.replacement, *signature.otherwise.values()}:
        taken = _parameters(functools.reduce(getattr, name.split(".")[1:], torch))
        assert packed or taken[: signature.shared] == kept[: signature.shared]
        told = {*kept, *signature.renamed.values(), *signature.stated}
        assert told <= {*taken, *({"qkv", "kv", "attn_bias"} if packed else ())}


def _parameters(function: Callable[..., object]) -> list[str]:
    """What a class or function of torch takes; built-in functions say so in their documentation alone."""
    try:
        return list(inspect.signature(function).parameters)
    except ValueError:
        head = (function.__doc__ or "").partition("->")[0]
        return re.findall(r"(\w+)(?:=[^,)]*)?[,)]", head.partition("(")[2])


def run(program: str) -> torch.Tensor:
    names: dict[str, torch.Tensor] = {}
    exec(program, names)
    return names["result"]


def same(program: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the program computes the same once rewritten, when the package is not there any more."""
    with monkeypatch.context() as patch:
        for name, module in modules().items():
            patch.setitem(sys.modules, name, module)
        before = run(program)
    ported = rewrite_source(program)
    assert not ported.left
    after = run(ported.source)
    return before.shape == after.shape and torch.allclose(before, after, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("imports", "call"), ATTENTION)
def test_attention(imports: str, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert same(f"import torch\n{TENSORS}{imports}\nresult = {call}\n", monkeypatch)


@pytest.mark.parametrize(("imports", "call"), STEPS)
def test_optimizers(imports: str, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert same(f"import torch\n{imports}\n{TRAINING.format(call)}", monkeypatch)


@pytest.mark.parametrize(("imports", "call"), NORMS)
def test_norms(imports: str, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = f"import torch\n{imports}\ntorch.manual_seed(0)\nresult = {call}(0.01 * torch.randn(2, 4))\n"
    assert same(program, monkeypatch)


def test_a_causal_mask_over_more_keys_than_queries_differs() -> None:
    """Why a call with keys of a cache stays, and what to write there."""
    q, k = torch.randn(1, 1, 2, 4), torch.randn(1, 5, 2, 4)
    ours = torch.nn.functional.scaled_dot_product_attention(*(x.transpose(1, 2) for x in (q, k, k)), is_causal=True)
    lower = importlib.import_module("torch.nn.attention.bias").causal_lower_right(1, 5)
    advised = torch.nn.functional.scaled_dot_product_attention(*(x.transpose(1, 2) for x in (q, k, k)), attn_mask=lower)
    theirs = modules()["flash_attn"].flash_attn_func(q, k, k, causal=True)
    assert not torch.allclose(theirs, ours.transpose(1, 2))
    assert torch.allclose(theirs, advised.transpose(1, 2), atol=1e-6)
