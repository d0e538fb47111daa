"""Random numbers: CPU's generator, whatever the device."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("simulation")

DRAWS = {
    "randn": lambda device: torch.randn(4, device=device),
    "rand": lambda device: torch.rand(4, device=device),
    "randint": lambda device: torch.randint(9, (4,), device=device),
    "randperm": lambda device: torch.randperm(9, device=device),
    "normal": lambda device: torch.normal(torch.zeros(4, device=device), 1.0),
    "bernoulli": lambda device: torch.bernoulli(torch.full((4,), 0.5, device=device)),
    "multinomial": lambda device: torch.multinomial(torch.ones(9, device=device), 4),
    "dropout": lambda device: torch.nn.functional.dropout(torch.ones(9, device=device)),
    "in place": lambda device: torch.empty(4, device=device).uniform_(),
    "init": lambda device: torch.nn.init.xavier_normal_(torch.empty(4, 4, device=device)),
    "like": lambda device: torch.randn_like(torch.ones(4, device=device)),
    "generator": lambda device: torch.randn(4, device=device, generator=torch.Generator().manual_seed(1)),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws_equal_cpus(name: str) -> None:
    found = []
    for device in ("cpu", "neuron"):
        torch.manual_seed(5)
        found.append((DRAWS[name](device).cpu(), torch.rand(1)))  # and CPU's state moves on by as much
    assert found[0][0].equal(found[1][0]) and found[0][1].equal(found[1][1])


def test_state_of_the_device() -> None:
    neuron = torch.neuron
    torch.manual_seed(7)
    assert neuron.initial_seed() == 7
    state = neuron.get_rng_state()
    assert (state.numel(), state.dtype, state.device.type) == (16, torch.uint8, "cpu")
    neuron.manual_seed(8)
    assert neuron.initial_seed() == 8 and not neuron.get_rng_state().equal(state)
    assert neuron.get_rng_state("neuron:1").equal(state) and neuron.get_rng_state(1).equal(state)
    neuron.set_rng_state(state)
    assert neuron.initial_seed() == 7
    neuron.manual_seed_all(9)
    states = neuron.get_rng_state_all()
    neuron.seed_all()
    assert neuron.initial_seed() != 9
    neuron.set_rng_state_all(states)
    assert neuron.initial_seed() == 9
    neuron.seed()
    with pytest.raises(RuntimeError, match="RNG state is wrong size"):
        neuron.set_rng_state(torch.get_rng_state())


def test_forked_state() -> None:
    torch.manual_seed(0)
    with torch.random.fork_rng(devices=[0, 1], device_type="neuron"):
        torch.manual_seed(3)
        inside = torch.randn(2, device="neuron")
    assert torch.neuron.initial_seed() == 0
    torch.manual_seed(3)
    assert torch.randn(2, device="neuron").equal(inside)


def test_seeding_does_not_start_the_runtime(alone: Any) -> None:
    result = alone(
        """
        torch.manual_seed(0)
        torch.neuron.manual_seed_all(1)
        torch.neuron.get_rng_state()
        print(torch.neuron.is_initialized())
        """
    )
    assert result.stdout == "False\n", result.stderr


def test_generators(simulation: Any) -> None:
    assert isinstance(torch.default_generator, torch.Generator)
    assert isinstance(torch.Generator(), torch.Generator) and torch.Generator("cpu").device.type == "cpu"
    assert not isinstance(1, torch.Generator)
    for device in ("neuron", "neuron:1", torch.device("neuron")):
        with pytest.raises(RuntimeError, match="not available on device neuron"):
            torch.Generator(device=device)
    with simulation.policies.using(generator="off"):
        generator = torch.Generator(device="neuron").manual_seed(1)
        assert torch.randn(2, device="neuron", generator=generator).is_neuron
