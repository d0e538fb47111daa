"""Rows about what is not torch: each construct that the index or a scanner can name has one, and answers are usable."""

from __future__ import annotations

import re

import pytest

from porter import catalog
from porter.catalog import Row
from porter.model import TARGETS, Effort, Verdict
from porter.sources.files import build, commands, images, native
from porter.sources.files.values import setting

CATALOGUE = catalog.load()
ROWS = list(CATALOGUE.rows())

# import name, normalised distribution
PACKAGES = [
    *[("flash_attn", "flash-attn"), ("xformers", "xformers"), ("apex", "apex"), ("bitsandbytes", "bitsandbytes")],
    *[("triton", "triton"), ("transformer_engine", "transformer-engine"), ("deepspeed", "deepspeed")],
    *[("cupy", "cupy-cuda12x"), ("pynvml", "nvidia-ml-py"), ("tensorrt", "tensorrt-cu12"), ("mamba_ssm", "mamba-ssm")],
    *[("causal_conv1d", "causal-conv1d"), ("torchao", "torchao"), ("megatron", "megatron-core"), ("vllm", "vllm")],
    *[("numba.cuda", "numba-cuda"), ("cuda.bindings", "cuda-python"), ("GPUtil", "gputil"), ("pycuda", "pycuda")],
    *[("awq", "autoawq"), ("auto_gptq", "auto-gptq"), ("nvidia.dali", "nvidia-dali-cuda120"), ("cudf", "cudf-cu12")],
    *[("fla", "flash-linear-attention"), ("liger_kernel", "liger-kernel"), ("flashinfer", "flashinfer-python")],
    *[("torch_scatter", "torch-scatter"), ("tinycudann", "tiny-cuda-nn"), ("modelopt", "nvidia-modelopt")],
]


def found(kind: str, name: str) -> Row:
    row = CATALOGUE.find(kind, name)
    assert row is not None, f"{kind} {name}"
    return row


@pytest.mark.parametrize(("package", "distribution"), PACKAGES)
def test_a_package_is_known_as_import_as_call_and_as_requirement(package: str, distribution: str) -> None:
    row = found("symbol", package)
    for member in (f"{package}.some_function", f"{package}.deep.inside.some_function"):
        assert found("symbol", member).name.startswith(package) or found("symbol", member) is row
    required = found("requirement", distribution)
    assert required.rule == "cuda-requirement"
    goes = row.needs_cuda and row.neuron.verdict is not Verdict.PORTABLE
    assert required.neuron.verdict is (Verdict.REVIEW if goes else row.neuron.verdict)
    assert required.portable.verdict is row.portable.verdict
    assert package.partition(".")[0] in required.imports
    assert {getattr(required, target).effort for target in TARGETS} == {Effort.MINUTES}


@pytest.mark.parametrize(
    "name",
    [
        *["nvidia-cublas-cu12", "torch+cu121", "torchvision+cu118", "jax[cuda12]", "tensorflow[and-cuda]"],
        *[
            "tensorflow-gpu",
            "faiss-gpu-cu12",
            "onnxruntime-gpu",
            "pytorch-cuda",
            "cudatoolkit",
            "cuda-nvcc",
            "libcudnn8",
        ],
        *["https://download.pytorch.org/whl/cu124", "https://pypi.nvidia.com", "channel nvidia", "kernels"],
    ],
)
def test_a_cuda_build_is_known_as_requirement(name: str) -> None:
    assert found("requirement", name).rule == "cuda-requirement"


@pytest.mark.parametrize("name", ["torchmetrics", "numpy", "datasets", "jax", "libcurl", "onnxruntime", "faiss-cpu"])
def test_what_runs_anywhere_is_no_finding_as_requirement(name: str) -> None:
    assert CATALOGUE.find("requirement", name) is None


@pytest.mark.parametrize(
    "name", ["tritonclient.http", "flask.Flask", "faiss.IndexFlatL2", "cuda.train", "numba.jit", "kernels.rbf"]
)
def test_a_name_that_only_resembles_a_package_has_no_row(name: str) -> None:
    assert CATALOGUE.find("symbol", name) is None


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *[("native", name) for name in (*native._FAMILIES, *build._CMAKE, "nvcc", "-gencode", "/usr/local/cuda")],
        *[("command", name) for name in sorted(commands._PROGRAMS - {"torchrun"})],
        *[("command", f"accelerate launch --{name}") for name in ("multi_gpu", "use_deepspeed", "use_megatron_lm")],
        *[("command", f"module load {name}") for name in ("cuda", "cudnn", "nccl", "nvhpc")],
        *[("command", f"torchrun --nproc_per_node={n}") for n in ("gpu", "8", "auto", "neuron", "$GPUS")],
        *[("command", "python -m torch.distributed.launch")],
        *[("resource", name) for name in ("nvidia.com/gpu", "nvidia.com/mig-1g.5gb", "--gres=gpu", "ngpus", "gpu")],
        *[("resource", name) for name in ("--gpus-per-node", "-G", "runtimeClassName: nvidia", "accelerators: A100:8")],
        *[
            ("container", name)
            for name in ("--gpus", "--nv", "--runtime=nvidia", "driver: nvidia", "capabilities: gpu")
        ],
        *[("string", "CUDAExecutionProvider"), ("string", "flash_attention_2"), ("string", "libcudart.so.12")],
        *[("environment", name) for name in ("CUDA_VISIBLE_DEVICES", "NCCL_IB_HCA", "NVTE_FLASH_ATTN", "CUDA_HOME")],
    ],
)
def test_what_a_scanner_names_has_a_row(kind: str, name: str) -> None:
    assert found(kind, name).kind == kind


@pytest.mark.parametrize(
    "image",
    [
        "nvidia/cuda:12.4.1-devel-ubuntu22.04",
        "nvcr.io/nvidia/pytorch:24.05-py3",
        "pytorch/pytorch:2.4.0-cuda12.4-cudnn9-devel",
        "ghcr.io/acme/train:cuda12",
        "huggingface/transformers-pytorch-gpu",
    ],
)
def test_an_image_that_brings_cuda_has_a_row(image: str) -> None:
    name = images.image_name(image)
    assert name is not None
    assert found("container", name).rule == "cuda-container"


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("device", "cuda", "cuda-config-value"),
        ("model_device", "cuda:1", "numbered-cuda-device"),
        ("accelerator", "gpu", "framework-argument"),
        ("dist_backend", "nccl", "nccl-backend"),
        ("backend", "cpu:gloo,cuda:nccl", "nccl-backend"),
        ("fp16", "true", "half-precision"),
        ("mixed_precision", "fp16", "half-precision"),
        ("precision", "16-mixed", "half-precision"),
        ("torch_dtype", "float16", "half-precision"),
        ("tf32", "true", "cuda-backend-flag"),
        ("cudnn_benchmark", "true", "cuda-backend-flag"),
        ("use_cuda", "true", "cuda-option-default"),
        ("gpus", "4", "data-parallel"),
        ("gpu_ids", "all", "data-parallel"),
        ("distributed_type", "MULTI_GPU", "framework-argument"),
        ("load_in_4bit", "true", "framework-argument"),
        ("attn_implementation", "flash_attention_2", "attention-implementation"),
        ("optim", "paged_adamw_8bit", "fused-optimizer"),
    ],
)
def test_a_setting_that_needs_cuda_has_a_row(key: str, value: str, rule: str) -> None:
    name = setting((key,), value)
    assert name is not None
    assert found("config", name.name).rule == rule


@pytest.mark.parametrize(
    ("name", "replacement"),
    [
        ("apex.optimizers.FusedAdam", "torch.optim.AdamW"),
        ("apex.optimizers.FusedSGD", "torch.optim.SGD"),
        ("apex.normalization.FusedLayerNorm", "torch.nn.LayerNorm"),
        ("apex.normalization.FusedRMSNorm", "torch.nn.RMSNorm"),
        ("apex.parallel.DistributedDataParallel", "torch.nn.parallel.DistributedDataParallel"),
        ("bitsandbytes.optim.PagedAdamW8bit", "torch.optim.AdamW"),
    ],
)
def test_a_call_with_an_equivalent_in_torch_names_it(name: str, replacement: str) -> None:
    torch = pytest.importorskip("torch")
    answer = found("symbol", name).neuron
    assert answer.replacement == replacement
    for part in replacement.split(".")[1:]:
        torch = getattr(torch, part)  # it exists


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("transformers.TrainingArguments(fp16)", "bf16=True"),
        ("accelerate.Accelerator(mixed_precision)", 'mixed_precision="bf16"'),
        ("transformers.AutoModel.from_pretrained(use_flash_attention_2)", 'attn_implementation="sdpa"'),
        ("transformers.pipeline(device)", 'device="neuron"'),
    ],
)
def test_an_argument_is_replaced_by_an_argument(name: str, argument: str) -> None:
    assert found("argument", name).neuron.replacement == argument


def test_replacements_of_framework_arguments_are_whole_arguments() -> None:
    answers = [
        getattr(row, target)
        for row in ROWS
        if row.kind == "argument" and not row.name.startswith("torch.")
        for target in TARGETS
    ]
    assert len(answers) > 40
    assert not [
        a.replacement for a in answers if a.replacement and not re.fullmatch(r'\w+=(?:True|"[\w-]+")?', a.replacement)
    ]


EDITED = [
    (row, answer)
    for row in ROWS
    if row.kind in ("container", "command", "resource", "config", "native", "requirement")
    for answer in (getattr(row, target) for target in TARGETS)
    if answer.verdict in (Verdict.AUTO, Verdict.REVIEW)
]


def test_an_edit_of_other_files_is_said_in_full() -> None:
    assert len(EDITED) > 100
    for row, answer in EDITED:
        assert answer.action in ("replace", "delete", "rule"), row.name
        assert bool(answer.replacement) == (answer.action != "delete"), row.name
        assert row.kind != "native", "nothing is written in C++"


def test_a_setting_keeps_its_key() -> None:
    for row, answer in EDITED:
        if row.kind == "config":
            assert answer.replacement.partition(": ")[0] == row.name.partition(": ")[0]


def test_what_an_edit_writes_is_no_finding() -> None:
    """Else a second rewrite would go on. torchvision is one with its version alone."""
    for row, answer in EDITED:
        written = answer.replacement.split() if row.kind == "requirement" else [answer.replacement]
        if row.kind == "config":
            key, _, value = answer.replacement.partition(": ")
            read = setting((key,), value)
            written = [read.name] if read is not None else []
        named = (
            name for name in written if name not in row.also and not name.startswith("https:")
        )  # the row: all others
        again = [CATALOGUE.find(row.kind, name) for name in named]
        assert not [r.name for r in again if r is not None and r.neuron.verdict is not Verdict.PORTABLE], row.name
