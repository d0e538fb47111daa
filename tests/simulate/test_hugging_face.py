"""Transformers and Accelerate as they are, on the device: what they compute is what they compute on CPU.

Models are made from their configuration, so nothing is downloaded. `make huggingface` installs the two and runs this.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers", reason="transformers is not installed: make huggingface")
pytestmark = pytest.mark.usefixtures("simulation")

TEXT = {
    "vocab_size": 99,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
TOLERANCE = 1e-5  # relative: the kernels are CPU's own, in another order at most


def tokens(*shape: int) -> Any:
    return torch.randint(3, 99, shape, generator=torch.Generator().manual_seed(1))


def text() -> dict[str, Any]:
    ids = tokens(2, 12)
    return {"input_ids": ids, "labels": ids}


def llama(attention: str = "sdpa") -> Any:
    config = transformers.LlamaConfig(**TEXT, num_key_value_heads=2, pad_token_id=0)
    return transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention)


def mixtral() -> Any:
    config = transformers.MixtralConfig(**TEXT, num_key_value_heads=2, num_local_experts=4, pad_token_id=0)
    return transformers.MixtralForCausalLM(config)


def bert() -> Any:
    return transformers.BertForMaskedLM(transformers.BertConfig(**TEXT))


def t5() -> Any:
    config = transformers.T5Config(
        vocab_size=99, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, decoder_start_token_id=0
    )
    return transformers.T5ForConditionalGeneration(config)


def vit() -> Any:
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    config = transformers.ViTConfig(**{name: TEXT[name] for name in names}, image_size=32, patch_size=8, num_labels=4)
    return transformers.ViTForImageClassification(config)


def pictures() -> dict[str, Any]:
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    return {"pixel_values": images, "labels": torch.tensor([0, 3])}


MODELS = {
    "llama": (llama, text),
    "llama, eager attention": (lambda: llama("eager"), text),
    "mixtral": (mixtral, text),
    "bert, tied weights": (bert, text),
    "t5, tied weights": (t5, text),
    "vit": (vit, pictures),
}


def moved(batch: Mapping[str, Any], device: str) -> dict[str, Any]:
    return {name: value.to(device) for name, value in batch.items()}


def close(one: Any, other: Any) -> bool:
    one, other = one.detach().cpu().float(), other.detach().cpu().float()
    return bool((one - other).abs().max() <= TOLERANCE * other.abs().max().clamp(min=1e-3))


@pytest.mark.parametrize("name", MODELS)
def test_models_train_as_on_cpu(name: str) -> None:
    """Three steps of AdamW: losses, and the gradients of the first."""
    make, batch = MODELS[name]
    transformers.set_seed(0)
    models = {"cpu": make().eval()}  # without dropout, which is another one on the device
    models["neuron"] = copy.deepcopy(models["cpu"]).to("neuron")
    losses: dict[str, list[float]] = {device: [] for device in models}
    optimizers = {device: torch.optim.AdamW(model.parameters(), lr=1e-3) for device, model in models.items()}
    for step in range(3):
        for device, model in models.items():
            loss = model(**moved(batch(), device)).loss
            optimizers[device].zero_grad()
            loss.backward()
            losses[device].append(loss.item())
        if not step:
            pairs = zip(models["neuron"].named_parameters(), models["cpu"].parameters(), strict=True)
            assert [at for (at, one), two in pairs if two.grad is not None and not close(one.grad, two.grad)] == []
        for optimizer in optimizers.values():
            optimizer.step()
    assert losses["neuron"] == pytest.approx(losses["cpu"], rel=TOLERANCE)


@pytest.mark.parametrize("cache", ["dynamic", "static"])
@pytest.mark.parametrize("beams", [1, 2])
def test_generation_is_that_of_cpu(cache: str, beams: int) -> None:
    transformers.set_seed(0)
    model = llama().eval()
    options = {"max_new_tokens": 8, "do_sample": False, "num_beams": beams, "pad_token_id": 0}
    if cache == "static":
        options |= {"cache_implementation": "static", "disable_compile": True}
    expected = model.generate(tokens(2, 5), **options)
    generated = copy.deepcopy(model).to("neuron").generate(tokens(2, 5).to("neuron"), **options)
    assert generated.is_neuron
    assert generated.cpu().tolist() == expected.tolist()


class Sentences(torch.utils.data.Dataset):  # type: ignore[misc]
    """Sixteen times twelve tokens."""

    def __len__(self) -> int:
        return 16

    def __getitem__(self, place: int) -> dict[str, Any]:
        ids = tokens(16, 12)[place]
        return {"input_ids": ids, "labels": ids}


def trained(folder: Path, **options: Any) -> tuple[Any, list[float]]:
    """The device that Trainer took by itself, and its losses."""
    transformers.set_seed(0)
    arguments = transformers.TrainingArguments(
        str(folder),
        max_steps=4,
        per_device_train_batch_size=4,
        logging_steps=1,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        **options,
    )
    trainer = transformers.Trainer(llama(), arguments, train_dataset=Sentences())
    trainer.train()
    return trainer.args.device, [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def test_trainer_takes_the_device_and_trains_as_on_cpu(tmp_path: Path) -> None:
    pytest.importorskip("accelerate", reason="accelerate is not installed: make huggingface")
    device, losses = trained(tmp_path / "neuron")
    assert device.type == "neuron"
    reset_accelerate()
    device, expected = trained(tmp_path / "cpu", use_cpu=True)
    assert device.type == "cpu"
    assert losses == pytest.approx(expected, rel=1e-4)  # as they are logged: rounded
    reset_accelerate()
    _, rounded = trained(tmp_path / "bf16", bf16=True)
    assert rounded == pytest.approx(expected, rel=2e-2)
    reset_accelerate()


def reset_accelerate() -> None:
    """Accelerate keeps the device for the whole process."""
    from accelerate.state import AcceleratorState, GradientState, PartialState

    for state in (AcceleratorState, GradientState, PartialState):
        state._reset_state()


def test_accelerator_prepares_for_the_device() -> None:
    accelerate = pytest.importorskip("accelerate", reason="accelerate is not installed: make huggingface")
    reset_accelerate()
    accelerator = accelerate.Accelerator()
    assert accelerator.device.type == "neuron"
    model = torch.nn.Linear(4, 2)
    loader = torch.utils.data.DataLoader(torch.randn(8, 4), batch_size=4)
    model, optimizer, loader = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.1), loader)
    for batch in loader:
        assert batch.is_neuron
        accelerator.backward(model(batch).square().mean())
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    assert all(parameter.is_neuron for parameter in accelerator.unwrap_model(model).parameters())
    reset_accelerate()
