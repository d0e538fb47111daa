"""How the device comes to a process, and what keeps it away."""

from __future__ import annotations

from typing import Any

import pytest

from porter.simulate import Settings, SimulationError
from porter.simulate.settings import requested

torch = pytest.importorskip("torch")


def test_settings_travel_by_environment() -> None:
    settings = Settings(cores=4, policies={"float64": "strict", "int64": "cast"}, auto_cast="matmult")
    environ = settings.environment()
    assert requested(environ) and Settings.from_environment(environ) == settings
    assert not requested({}) and Settings.from_environment({}) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CORES", "two", "a number of cores"),
        ("POLICIES", "float64", "has no mode"),
        ("CORES", "0", "at least one core"),
    ],
)
def test_settings_that_cannot_be_read(name: str, value: str, words: str) -> None:
    with pytest.raises(SimulationError, match=words):
        Settings.from_environment({f"PORTER_SIMULATE_{name}": value})


def test_a_second_installation_is_the_first(simulation: Any) -> None:
    from porter.simulate import active, install

    assert install() is install(Settings()) is active() is simulation
    with pytest.raises(SimulationError, match="set once in a process"):
        install(Settings(cores=3))
    install(Settings(policies={"float64": "strict"}))
    try:
        assert simulation.policies.mode("float64") == "strict"
    finally:
        simulation.policies.set(float64="cast")


def test_importing_torch_is_enough_where_the_environment_says_so(alone: Any) -> None:
    program = (
        "print(torch.ones(2, device='neuron:2').device, torch.neuron.device_count(), torch.neuron.is_initialized())"
    )
    environ = Settings(cores=3, policies={"device_index": "off"}).environment()
    installed = alone(
        "from importlib.metadata import entry_points as e; print(*e(group='torch.backends').names)", simulate=False
    )
    if "porter_simulate" not in installed.stdout:
        pytest.skip("porter is not installed here as a package")
    assert alone(program, simulate=False, **environ).stdout == "neuron:2 3 True\n"
    assert "Expected one of cpu" in alone(program, simulate=False).stderr


CORES = [
    ({}, 4),
    ({"VISIBLE_CORES": "1-2"}, 2),
    ({"VISIBLE_CORES": "3"}, 1),
    ({"VISIBLE_CORES": "0,2-3"}, 3),
    ({"NUM_CORES": "2"}, 2),
]


@pytest.mark.parametrize(("environ", "cores"), CORES, ids=str)
def test_the_environment_limits_the_cores(environ: dict[str, str], cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from porter.simulate.runtime import visible_cores

    for name in ("VISIBLE_CORES", "NUM_CORES"):
        monkeypatch.setenv(f"NEURON_RT_{name}", environ.get(name, ""))
    assert visible_cores(4) == cores


def test_cores_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    from porter.simulate.runtime import visible_cores

    monkeypatch.setenv("NEURON_RT_VISIBLE_CORES", "all")
    with pytest.raises(SimulationError, match="NEURON_RT_VISIBLE_CORES is a list of cores such as 0-3, not 'all'"):
        visible_cores(4)


def test_libraries_find_the_vendors_package(simulation: Any) -> None:
    import importlib.util

    import torch_neuronx

    assert importlib.util.find_spec("torch_neuronx") is not None
    assert "simulated" in torch_neuronx.__version__
    torch_neuronx.clear_op_tracking()
    torch.rand(3, device="neuron").sort()
    assert torch_neuronx.get_executed_ops()["aten::uniform_"] == 1
    assert torch_neuronx.get_fallback_ops().keys() >= {"aten::uniform_", "aten::sort.stable"}
    assert isinstance(torch.neuron.Stream(), torch_neuronx.Stream)
    with torch_neuronx.StreamContext(torch.neuron.Stream()) as stream:
        assert torch.neuron.current_stream() == stream


def test_a_real_package_is_left_alone(alone: Any, tmp_path: Any) -> None:
    (tmp_path / "torch_neuronx.py").write_text("__version__ = '2.14.3'\n")
    result = alone(
        """
        from porter.simulate import SimulationError, install
        try:
            install()
        except SimulationError as error:
            print(error)
        print(hasattr(torch, "neuron"))
        """,
        simulate=False,
    )
    assert "torch_neuronx 2.14.3 is installed here" in result.stdout and result.stdout.endswith("False\n")


def test_the_placeholder_of_the_package_index_is_not_the_real_one(alone: Any, tmp_path: Any) -> None:
    (tmp_path / "torch_neuronx.py").write_text("raise ImportError('WRONG PACKAGE')\n")
    assert alone("print(torch.ones(1).neuron().item())").stdout == "1.0\n"


def test_another_device_of_this_kind_is_named(alone: Any) -> None:
    result = alone(
        """
        torch.utils.rename_privateuse1_backend("tpu")
        from porter.simulate import install
        install()
        """,
        simulate=False,
    )
    assert result.stderr.strip().endswith("PyTorch has room for one device of its users' own, and 'tpu' has taken it")


@pytest.mark.parametrize(
    ("sabotage", "words"),
    [
        ("del torch._C._to_dlpack", "torch._C._to_dlpack is missing"),
        ("del torch.utils.backend_registration._setup_privateuseone_for_python_backend", "is missing"),
        ("torch._C._from_dlpack = lambda capsule: torch.zeros(1)", "do not share memory"),
        ("del torch.autograd.set_multithreading_enabled", "is missing"),
    ],
)
def test_what_moved_is_said_at_once(alone: Any, sabotage: str, words: str) -> None:
    import torch.utils.backend_registration

    result = alone(
        f"import torch.utils.backend_registration\n{sabotage}\nfrom porter.simulate import install\ninstall()",
        simulate=False,
    )
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("porter.simulate.errors.SimulationError") and words in last, result.stderr
    assert torch.__version__ in last and "2.13 to 2.15 are supported" in last


def test_the_self_test_asks_for_the_private_names_that_are_used() -> None:
    import re
    from pathlib import Path

    from porter.simulate import selftest

    folder = Path(selftest.__file__).parent
    code = "".join(path.read_text() for path in folder.rglob("*.py") if path.name != "selftest.py")
    used = {f"_C.{name}" for name in re.findall(r"\btorch\._C\.([A-Za-z]\w+|_\w+)", code)} - {"_C.DispatchKey"}
    asked = {".".join(name.split(".")[:2]) for name in selftest.PRIVATE.split()}
    assert used - asked == set()
    code += (folder / "selftest.py").read_text().partition("def require")[2]
    hooks = set(re.findall(r'"(\w+)": ', (folder / "accelerator.py").read_text()))
    for name in selftest.PRIVATE.split():
        last = name.rpartition(".")[2]
        assert last in code or last.removeprefix("_accelerator_") in hooks, f"{name} is not used"


def test_a_forked_process_may_compute_gradients_on_cpu(alone: Any) -> None:
    """PyTorch's autograd refuses that once a backward pass has run in the parent: installing the device runs none."""
    result = alone(
        """
        import os
        child = os.fork()
        if child == 0:
            leaf = torch.ones(3, requires_grad=True)
            (leaf * leaf).sum().backward()
            os._exit(0 if leaf.grad.tolist() == [2.0, 2.0, 2.0] else 1)
        print(os.waitpid(child, 0)[1])
        """
    )
    assert result.stdout == "0\n"
