"""Training as programs do it: optimizers, loaders, clipping, schedules, scalers; the same losses as on CPU."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.benchmarks.simulate import gpt

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("simulation")

STOCK = sorted(
    name
    for name, kind in vars(torch.optim).items()
    if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and name not in ("Optimizer", "SparseAdam")
)
FOREACH = ("Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD")
FUSED = ("Adagrad", "Adam", "AdamW", "SGD")
OPTIMIZERS = (
    [(name, {}) for name in STOCK]
    + [(name, {"foreach": value}) for name in FOREACH for value in (True, False)]
    + [(name, {"fused": True}) for name in FUSED]
    + [("SGD", {"momentum": 0.9, "nesterov": True}), ("AdamW", {"amsgrad": True}), ("Adam", {"lr": torch.tensor(0.01)})]
)


def losses(optimizer: Callable[[Any], Any], device: str, steps: int = 5) -> list[float]:
    """Losses of a small model without biases (Muon takes matrices only), step by step."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(8, 16, bias=False), torch.nn.Tanh(), torch.nn.Linear(16, 4, bias=False)
    ).to(device)
    trained = optimizer(model.parameters())
    inputs, targets = torch.randn(12, 8).to(device), torch.randint(0, 4, (12,)).to(device)
    found = []

    def closure() -> Any:
        trained.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        return loss

    for _ in range(steps):
        found.append(trained.step(closure).item())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for state in trained.state.values():
        assert all(
            not isinstance(each, torch.Tensor) or each.dim() == 0 or each.device.type == device
            for each in state.values()
        )
    return found


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS, ids=str)
def test_every_stock_optimizer(name: str, options: dict[str, Any]) -> None:
    kind = getattr(torch.optim, name)
    host = losses(lambda parameters: kind(parameters, **options), "cpu")
    ours = losses(lambda parameters: kind(parameters, **options), "neuron")
    assert ours == pytest.approx(host, rel=1e-5)
    assert host[-1] != host[0]


def test_a_language_model_with_everything_around_it() -> None:
    """Loader with workers and pinning, warm-up, clipping, accumulation: 20 steps within 1e-5 of CPU."""
    torch.manual_seed(0)
    model = gpt(32, 2)
    data = torch.utils.data.TensorDataset(torch.randint(0, 512, (40, 17)))
    found = {}
    for device in ("cpu", "neuron"):
        ours = copy.deepcopy(model).to(device)
        optimizer = torch.optim.AdamW(ours.parameters(), lr=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=20)
        loader = torch.utils.data.DataLoader(
            data, batch_size=4, shuffle=True, num_workers=2, pin_memory=True, generator=torch.Generator().manual_seed(3)
        )
        trail = []
        for _ in range(2):
            for (batch,) in loader:
                assert batch.is_pinned() == (device == "neuron") or batch.is_pinned()
                tokens = batch.to(device, non_blocking=True)
                logits = ours(tokens[:, :-1])
                loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(ours.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                trail.append(loss.item())
        found[device] = trail
    assert len(found["cpu"]) == 20
    assert found["neuron"] == pytest.approx(found["cpu"], rel=1e-5)


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_loader_workers_of_either_kind(alone: Any, context: str) -> None:
    result = alone(
        f"""
        from torch.utils.data import DataLoader
        if __name__ == "__main__":
            loader = DataLoader(
                torch.arange(6.0), 2, num_workers=1, pin_memory=True, multiprocessing_context="{context}"
            )
            torch.ones(1).neuron()  # the runtime is up before the workers start: they only use CPU
            print(sum(batch.neuron().sum().item() for batch in loader))
        """
    )
    assert result.stdout == "15.0\n", result.stderr


@pytest.mark.parametrize("enabled", [True, False])
def test_grad_scaler(enabled: bool) -> None:
    found = {}
    for device in ("cpu", "neuron"):
        torch.manual_seed(0)
        model = torch.nn.Linear(4, 1).to(device)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler(device, enabled=enabled, init_scale=4.0, growth_interval=2)
        for step in range(4):
            optimizer.zero_grad()
            loss = model(torch.full((2, 4), float("inf") if step == 2 else 1.0).to(device)).sum()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            if step != 2 or enabled:
                scaler.step(optimizer)
            scaler.update()
        found[device] = [scaler.get_scale(), scaler.state_dict(), model.weight.tolist()]
    assert found["neuron"] == found["cpu"]
    assert found["neuron"][0] == (4.0 if enabled else 1.0)


def test_averages_and_parametrizations() -> None:
    model = torch.nn.Linear(4, 4).to("neuron")
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.5))
    average.update_parameters(model)
    assert average.module.weight.is_neuron
    spectral = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(4, 4)).to("neuron")
    spectral(torch.ones(1, 4, device="neuron")).sum().backward()
    assert torch.nn.utils.parameters_to_vector(model.parameters()).is_neuron


def test_profiler() -> None:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        base = torch.ones(8, 8, device="neuron", requires_grad=True)
        with torch.profiler.record_function("product"):
            (base @ base).sum().backward()
    names = {event.key for event in profile.key_averages()}
    assert {"aten::mm", "product"} <= names
    assert "aten::mm" in profile.key_averages().table(sort_by="cpu_time_total")


def test_flop_counter_sees_the_device() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    base = torch.ones(4, 4, device="neuron")
    with FlopCounterMode(display=False) as counter:
        torch.mm(base, base)
    assert counter.get_total_flops() == 2 * 4**3
