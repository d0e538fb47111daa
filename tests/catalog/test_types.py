"""The type table: what it says, and that it agrees with the torch that is installed."""

from __future__ import annotations

import ast
import io
import tempfile
from pathlib import Path

import pytest

from porter.catalog.types import Types, load_types

TYPES = load_types()


@pytest.mark.parametrize(
    ("called", "yields"),
    [
        ("torch.zeros", "torch.Tensor"),
        ("torch.nn.functional.relu", "torch.Tensor"),
        ("torch.linalg.norm", "torch.Tensor"),
        ("torch.FloatTensor", "torch.Tensor"),
        ("torch.cuda.HalfTensor", "torch.Tensor"),
        ("torch.nn.Parameter", "torch.Tensor"),
        ("torch.chunk", "iter:torch.Tensor"),
        ("torch.linalg.svd", "iter:torch.Tensor"),
        ("torch.compile", "=0"),
        ("torch.device", "torch.device"),
        ("torch.Generator", "torch.Generator"),
        ("torch.nn.Linear", "torch.nn.Module"),
        ("torch.nn.modules.conv.Conv2d", "torch.nn.Module"),
        ("torch.jit.load", "torch.nn.Module"),
        ("torch.nn.Embedding.from_pretrained", "torch.nn.Module"),
        ("torchvision.models.resnet50", "torch.nn.Module"),
        ("torchvision.models.segmentation.fcn_resnet50", "torch.nn.Module"),
        ("timm.create_model", "torch.nn.Module"),
        ("whisper.load_model", "torch.nn.Module"),
        ("clip.load", "tuple:torch.nn.Module,-"),
        ("torchaudio.load", "tuple:torch.Tensor,-"),
        ("sentence_transformers.SentenceTransformer", "torch.nn.Module"),
        ("transformers.AutoModelForCausalLM.from_pretrained", "torch.nn.Module"),
        ("transformers.BertModel.from_pretrained", "torch.nn.Module"),
        ("transformers.T5EncoderModel", "torch.nn.Module"),
        ("transformers.AutoTokenizer.from_pretrained", "transformers.PreTrainedTokenizer"),
        ("diffusers.StableDiffusionPipeline.from_pretrained", "diffusers.DiffusionPipeline"),
        ("diffusers.UNet2DConditionModel.from_pretrained", "torch.nn.Module"),
        ("peft.get_peft_model", "torch.nn.Module"),
        ("torch.optim.AdamW", "torch.optim.Optimizer"),
        ("torch.optim.lr_scheduler.StepLR", "torch.optim.lr_scheduler.LRScheduler"),
        ("torch.cuda.amp.GradScaler", "torch.amp.GradScaler"),
        ("torch.amp.GradScaler", "torch.amp.GradScaler"),
        ("torch.cuda.Event", "torch.cuda.Event"),
        ("torch.utils.data.DataLoader", "torch.utils.data.DataLoader"),
    ],
)
def test_a_known_call_yields_its_class(called: str, yields: str) -> None:
    assert TYPES.returns(called) == yields


@pytest.mark.parametrize(
    "called",
    [
        "torch.load",
        "torch.save",
        "torch.is_tensor",
        "torch.no_grad",
        "torch.get_default_dtype",
        "torch.nn.utils.clip_grad_value_",
        "torchvision.models.list_models",
        "transformers.AutoConfig.from_pretrained",
        "transformers.DataCollatorForLanguageModeling",
        "transformers.TFBertForMaskedLM",
        "numpy.zeros",
        "pkg.Net.from_pretrained",
    ],
)
def test_a_call_that_yields_none_of_these_classes_says_so(called: str) -> None:
    assert TYPES.returns(called) is None


@pytest.mark.parametrize(
    ("owner", "name", "yields"),
    [
        ("torch.Tensor", "unsqueeze", "torch.Tensor"),
        ("torch.Tensor", "__getitem__", "torch.Tensor"),
        ("torch.Tensor", "__rsub__", "torch.Tensor"),
        ("torch.Tensor", "item", None),
        ("torch.Tensor", "__len__", None),
        ("torch.Tensor", "split", "iter:torch.Tensor"),
        ("torch.nn.Parameter", "detach", "torch.Tensor"),
        ("torch.nn.Linear", "cuda", "torch.nn.Module"),
        ("torch.nn.Module", "parameters", "iter:torch.Tensor"),
        ("torch.nn.Module", "state_dict", None),
        ("torch.nn.Module", "__call__", None),
        ("transformers.PreTrainedTokenizer", "__call__", "transformers.BatchEncoding"),
        ("torch.cuda.Stream", "record_event", "torch.cuda.Event"),
        ("torch.cuda.amp.GradScaler", "scale", "torch.Tensor"),
        ("pkg.Net", "cuda", None),
    ],
)
def test_a_method_of_a_known_class(owner: str, name: str, yields: str | None) -> None:
    assert TYPES.method(owner, name) == yields


@pytest.mark.parametrize(
    ("owner", "name", "holds"),
    [
        ("torch.Tensor", "device", "torch.device"),
        ("torch.Tensor", "grad", "torch.Tensor"),
        ("torch.Tensor", "shape", None),
        ("torch.nn.Linear", "weight", "torch.Tensor"),
        ("torch.nn.parallel.DistributedDataParallel", "module", "torch.nn.Module"),
        ("transformers.BatchEncoding", "input_ids", "torch.Tensor"),
    ],
)
def test_an_attribute_of_a_known_class(owner: str, name: str, holds: str | None) -> None:
    assert TYPES.attribute(owner, name) == holds


def test_an_unknown_class_is_itself() -> None:
    assert TYPES.canonical("pkg.models.Net") == "pkg.models.Net"
    assert TYPES.canonical("transformers.PreTrainedModel") == "torch.nn.Module"


@pytest.mark.parametrize(
    "line", ["[call]\n    torch: zeros", "[call]\ntorch.Tensor\n    torch.zeros", "[nonsense]\nx\n    a: b"]
)
def test_a_line_that_fits_no_section_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match="fits no section"):
        Types(line)


def _returned(tree: ast.AST) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            is_property = any(isinstance(d, ast.Name) and d.id == "property" for d in node.decorator_list)
            annotation = "property" if is_property or node.returns is None else ast.unparse(node.returns)
            found.setdefault(node.name, set()).add(annotation)
    return found


def _wrong(stubs: dict[str, set[str]], says: dict[str, str | None]) -> list[str]:
    """Names that the table calls a tensor, or not, in conflict with torch's own annotations."""
    wrong = []
    for name, results in stubs.items():
        tensor = any(a in ("Tensor", "Self") for a in results)
        several = all(a.startswith(("tuple[Tensor", "Sequence[Tensor", "torch.return_types")) for a in results)
        expected = "torch.Tensor" if tensor else "iter:torch.Tensor" if several else None
        if not name.startswith("_") and says[name] != expected:
            wrong.append(f"{name}: {sorted(results)} but {says[name]}")
    return wrong


def test_functions_of_torch_yield_what_its_stubs_say() -> None:
    torch = pytest.importorskip("torch")
    stub = Path(torch.__file__).parent / "_C" / "_VariableFunctions.pyi"
    stubs = {n: a for n, a in _returned(ast.parse(stub.read_text())).items() if hasattr(torch, n)}
    del stubs["embedding_bag"]  # `torch.nn.functional.embedding_bag`, which people call, yields one tensor
    assert len(stubs) > 500
    assert _wrong(stubs, {name: TYPES.returns(f"torch.{name}") for name in stubs}) == []


def test_methods_of_tensors_yield_what_their_stubs_say() -> None:
    torch = pytest.importorskip("torch")
    stub = ast.parse((Path(torch.__file__).parent / "_C" / "__init__.pyi").read_text())
    owner = next(n for n in ast.walk(stub) if isinstance(n, ast.ClassDef) and n.name == "TensorBase")
    stubs = {n: a for n, a in _returned(owner).items() if a != {"property"}}
    del stubs["as_subclass"], stubs["untyped_storage"]
    assert len(stubs) > 400
    assert _wrong(stubs, {name: TYPES.method("torch.Tensor", name) for name in stubs}) == []


def test_a_telling_method_belongs_to_no_other_common_class() -> None:
    torch = pytest.importorskip("torch")
    others = [dict, list, str, set, bytes, int, float, io.TextIOWrapper, tempfile.TemporaryDirectory, torch.Generator]
    others += [torch.optim.SGD, torch.optim.lr_scheduler.StepLR, torch.utils.data.DataLoader, torch.Size]
    owners = {"torch.Tensor": torch.Tensor, "torch.nn.Module": torch.nn.Module}
    allowed = {(io.TextIOWrapper, "detach")}  # no file has `.cuda()`
    for name, owner in TYPES._tells.items():
        assert hasattr(owners[owner], name), name
        for other in [*others, *(c for o, c in owners.items() if o != owner)]:
            assert not hasattr(other, name) or (other, name) in allowed, f"{other.__name__}.{name}"
