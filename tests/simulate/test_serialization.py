"""Saving and loading: every form of map_location, pickles, checkpoints of optimizers."""

from __future__ import annotations

import io
import pickle
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("simulation")

LOCATIONS: list[tuple[Any, str, str]] = [
    (None, "neuron:0", "neuron:1"),
    ("cpu", "cpu", "cpu"),
    ("neuron", "neuron:0", "neuron:0"),
    ("neuron:1", "neuron:1", "neuron:1"),
    ("device", "neuron:1", "neuron:1"),
    (torch.device("cpu"), "cpu", "cpu"),
    ({"neuron:1": "cpu"}, "neuron:0", "cpu"),
    ({"neuron:1": "neuron:0", "neuron:0": "neuron:1"}, "neuron:1", "neuron:0"),
    (lambda storage, location: storage, "cpu", "cpu"),
    (lambda storage, location: None, "neuron:0", "neuron:1"),
    (
        lambda storage, location: torch.serialization.default_restore_location(storage, "neuron:1"),
        "neuron:1",
        "neuron:1",
    ),
]


def saved(value: Any, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(value, file, **options)
    file.seek(0)
    return file


def repr_of(value: Any) -> str:
    """A name that is the same in every process."""
    return "function" if callable(value) else str(value)[:30]


@pytest.mark.parametrize("weights_only", [True, False])
@pytest.mark.parametrize(("location", "first", "second"), LOCATIONS, ids=repr_of)
def test_locations(location: Any, first: str, second: str, weights_only: bool) -> None:
    base = torch.randn(4, 4).to("neuron:0")
    file = saved({"whole": base, "row": base[1], "other": torch.arange(3).to("neuron:1")})
    if location == "device":
        location = torch.device("neuron", 1)
    loaded = torch.load(file, map_location=location, weights_only=weights_only)
    assert loaded["whole"].device == torch.device(first) and loaded["other"].device == torch.device(second)
    assert loaded["whole"].cpu().equal(base.cpu()) and loaded["other"].tolist() == [0, 1, 2]
    assert loaded["row"].untyped_storage()._cdata == loaded["whole"].untyped_storage()._cdata


def test_a_file_from_cpu_goes_to_the_device() -> None:
    loaded = torch.load(saved(torch.ones(2)), map_location="neuron")
    assert loaded.is_neuron and loaded.tolist() == [1, 1]
    with torch.device("neuron"):
        assert torch.load(saved(torch.ones(2))).is_neuron


def test_a_file_from_the_device_needs_one(alone: Any, tmp_path: Any) -> None:
    torch.save(torch.ones(2).to("neuron"), tmp_path / "t.pt")
    program = f"print(torch.load({str(tmp_path / 't.pt')!r}, map_location=LOCATION).tolist())"
    assert alone(program.replace("LOCATION", "'cpu'"), simulate=False).stdout == "[1.0, 1.0]\n"
    assert alone(program.replace("LOCATION", "None"), simulate=False).returncode != 0


def test_memory_mapped_files(tmp_path: Any) -> None:
    torch.save({"weight": torch.ones(3)}, tmp_path / "t.pt")
    assert torch.load(tmp_path / "t.pt", map_location="neuron", mmap=True)["weight"].tolist() == [1, 1, 1]


def test_pickles_and_types() -> None:
    model = torch.nn.Linear(2, 2).to("neuron:1").requires_grad_(False)
    twin = pickle.loads(pickle.dumps(model))
    assert twin.weight.device.index == 1 and type(twin.weight) is torch.nn.Parameter and twin.weight.equal(model.weight)
    values = {dtype: torch.ones(2, device="neuron").to(dtype) for dtype in (torch.bfloat16, torch.int8, torch.bool)}
    assert all(value.dtype is dtype for dtype, value in torch.load(saved(values), weights_only=False).items())
    whole = torch.load(saved(model), weights_only=False)
    assert whole.weight.device.index == 1


def test_checkpoints_of_a_training_run() -> None:
    def trained(steps: int, resume: io.BytesIO | None = None) -> tuple[Any, Any]:
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 1).to("neuron")
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
        if resume:
            state = torch.load(resume, map_location="cpu")
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
        for _ in range(steps):
            optimizer.zero_grad()
            model(torch.ones(2, 3, device="neuron")).pow(2).sum().backward()
            optimizer.step()
        return model, optimizer

    whole, _ = trained(4)
    model, optimizer = trained(2)
    file = saved({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    resumed, again = trained(2, file)
    assert resumed.weight.equal(whole.weight)
    assert all(state["exp_avg"].is_neuron for state in again.state.values())
    assert resumed.load_state_dict({name: value.cpu() for name, value in whole.state_dict().items()}, assign=False)
    assert resumed.weight.is_neuron
