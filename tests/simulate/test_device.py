"""The device as programs meet it: names, indices, contexts, accelerator, memory, forks."""

from __future__ import annotations

import gc
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("simulation")

NAMES = """
    is_available device_count current_device set_device device init is_initialized synchronize get_device_name
    get_device_properties is_bf16_supported get_amp_supported_dtype get_dynamo_metrics reset_dynamo_metrics _sleep
    Stream Event stream current_stream default_stream set_stream wait_stream wait_event record_event query
    manual_seed manual_seed_all seed seed_all initial_seed get_rng_state set_rng_state get_rng_state_all
    set_rng_state_all
    memory_stats memory_allocated memory_reserved max_memory_allocated max_memory_reserved memory_summary
    reset_peak_memory_stats reset_accumulated_memory_stats empty_cache
"""
ABSENT = """
    mem_get_info get_device_capability amp FloatTensor HalfTensor StreamContext OutOfMemoryError ipc_collect nvtx
    CUDAGraph graph graphs make_graphed_callables memory_cached reset_max_memory_allocated default_generators
    get_arch_list utilization memory_snapshot ExternalStream
"""


def test_it_is_a_device_like_any_other() -> None:
    tensor = torch.ones(2, 3, device="neuron")
    assert type(tensor) is torch.Tensor
    assert (tensor.device, tensor.device.type, tensor.device.index) == (torch.device("neuron:0"), "neuron", 0)
    assert tensor.is_neuron and not tensor.is_cpu and not tensor.is_cuda
    assert tensor.get_device() == 0
    assert tensor.type() == "torch.neuron.FloatTensor"
    assert torch.ones(2).neuron().is_neuron
    assert torch.nn.Linear(2, 2).neuron().weight.is_neuron
    assert "device='neuron:0'" in repr(tensor)


def test_its_module_has_the_names_of_the_vendors_and_no_others() -> None:
    assert sorted(name for name in vars(torch.neuron) if not name.startswith("__")) == sorted(
        [*NAMES.split(), "_is_in_bad_fork"]
    )
    for name in ABSENT.split():
        with pytest.raises(AttributeError):
            getattr(torch.neuron, name)


def test_what_it_says_of_itself() -> None:
    assert torch.neuron.is_available() and torch.neuron.device_count() == 2
    assert torch.neuron.is_bf16_supported()
    assert torch.neuron.get_device_name(1) == "neuron:1"
    properties = torch.neuron.get_device_properties(0)
    assert (properties.name, properties.total_memory) == ("trn2", 24 << 30)
    with pytest.raises(AttributeError):
        properties.multi_processor_count  # noqa: B018 - reading it is the test
    assert torch.neuron.get_amp_supported_dtype() == [torch.float32, torch.float16, torch.bfloat16]


def test_indices_choose_a_core() -> None:
    assert torch.neuron.current_device() == 0
    with torch.neuron.device(1):
        assert torch.ones(1, device="neuron").device.index == 1
        with torch.neuron.device(None):
            assert torch.neuron.current_device() == 1
    assert torch.neuron.current_device() == 0
    torch.neuron.set_device("neuron:1")
    try:
        assert torch.ones(1).to("neuron").device.index == 1
    finally:
        torch.neuron.set_device(0)
    with pytest.raises(RuntimeError, match=r"Device index 2 is out of range\. Valid range is 0 to 1 for this process"):
        torch.ones(1, device="neuron:2")
    with pytest.raises(ValueError, match="Expected a neuron device"):
        torch.neuron.set_device("cpu")


def test_accelerator() -> None:
    acc = torch.accelerator
    assert acc.is_available() and acc.device_count() == 2
    assert acc.current_accelerator() == torch.device("neuron")
    assert acc.current_device_index() == 0
    acc.set_device_index(1)
    assert torch.neuron.current_device() == acc.current_device_index() == 1
    assert torch.zeros(1, device="neuron").device.index == 1
    acc.set_device_index("neuron:0")
    with acc.device_index(1):
        assert acc.current_device_index() == 1
    assert acc.current_device_index() == 0
    acc.synchronize()
    acc.synchronize("neuron:1")
    stream = acc.current_stream()
    acc.set_stream(stream)
    assert stream == torch.neuron.current_stream()
    assert torch.bfloat16 in acc.get_device_capability()["supported_dtypes"]
    assert torch.float64 not in acc.get_device_capability()["supported_dtypes"]


def test_default_device_and_context() -> None:
    with torch.device("neuron"):
        assert torch.ones(2).is_neuron and torch.nn.Linear(2, 2).weight.is_neuron
        assert torch.tensor([1, 2]).is_neuron and torch.arange(3).is_neuron and torch.randn(2).is_neuron
        model = torch.nn.Linear(2, 2)
        model(torch.randn(3, 2)).sum().backward()
        assert model.weight.grad.is_neuron
    assert torch.ones(2).is_cpu
    torch.set_default_device("neuron:1")
    try:
        assert torch.ones(2).device.index == 1
    finally:
        torch.set_default_device(None)


def test_memory_is_what_tensors_hold() -> None:
    gc.collect()
    torch.neuron.empty_cache()
    torch.neuron.reset_peak_memory_stats()
    before = torch.neuron.memory_allocated()
    held = torch.zeros(1 << 20, device="neuron")
    assert torch.neuron.memory_allocated() - before == 4 << 20
    view = held[10:]
    assert torch.neuron.memory_allocated() - before == 4 << 20
    del held
    assert torch.neuron.memory_allocated() - before == 4 << 20
    del view
    assert torch.neuron.memory_allocated() == before
    assert torch.neuron.max_memory_allocated() - before == 4 << 20
    assert torch.neuron.memory_reserved() >= 4 << 20
    torch.neuron.empty_cache()
    assert torch.neuron.memory_reserved() < before + (4 << 20)
    stats = torch.neuron.memory_stats()
    assert set(stats) == {"allocated_bytes", "reserved_bytes", "active_bytes"}
    assert set(stats["allocated_bytes"]) == {"current", "peak", "allocated", "freed"}
    assert torch.accelerator.memory_allocated() == before
    assert torch.accelerator.max_memory_allocated() - before == 4 << 20
    free, total = torch.accelerator.get_memory_info()
    assert free == total - torch.neuron.memory_reserved()
    assert "allocated_bytes" in torch.neuron.memory_summary()


def test_memory_that_only_autograd_holds_counts() -> None:
    leaf = torch.ones(1 << 18, device="neuron", requires_grad=True)
    gc.collect()
    before = torch.neuron.memory_allocated()
    result = leaf.exp().sum()  # the backward pass of exp needs its result
    assert torch.neuron.memory_allocated() - before >= 1 << 20
    del result
    assert torch.neuron.memory_allocated() == before


def test_nothing_leaks_in_a_loop() -> None:
    weight = torch.randn(32, 32, device="neuron", requires_grad=True)

    def steps(count: int) -> None:
        for _ in range(count):
            (weight @ weight).relu().sum().backward()
            weight.grad = None

    steps(2)
    gc.collect()
    before = torch.neuron.memory_allocated(), len(gc.get_objects())
    steps(50)
    gc.collect()
    assert torch.neuron.memory_allocated() == before[0]
    assert len(gc.get_objects()) - before[1] < 50


def test_storages() -> None:
    storage = torch.UntypedStorage(8, device="neuron:1")
    assert storage.device == torch.device("neuron:1") and storage.nbytes() == 8
    assert storage.cpu().device.type == "cpu"
    assert storage.clone().device == storage.device
    tensor = torch.arange(4.0, device="neuron")
    before = torch.neuron.memory_allocated()
    tensor.untyped_storage().resize_(0)  # as FSDP2 frees what it has gathered
    assert tensor.untyped_storage().size() == 0 and torch.neuron.memory_allocated() < before
    tensor.untyped_storage().resize_(16)
    assert tensor.tolist() == [0, 1, 2, 3] and torch.neuron.memory_allocated() == before
    with pytest.raises(NotImplementedError, match="resize the tensor instead"):
        tensor.untyped_storage().resize_(32)


OTHER_LAYOUTS = (
    "torch.eye(2).to_sparse().to('neuron')",
    "torch.eye(2).neuron().to_sparse()",
    "torch.nested.nested_tensor([torch.ones(1).neuron(), torch.ones(2).neuron()]) * 2",
    "torch.quantize_per_tensor(torch.ones(2).neuron(), 0.1, 0, torch.qint8)",
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", OTHER_LAYOUTS)
def test_other_layouts_are_refused(make: str) -> None:
    with pytest.raises(NotImplementedError):
        print(eval(make))


def test_a_forked_process_cannot_use_it(alone: Any) -> None:
    result = alone(
        """
        import os, sys
        tensor = torch.ones(2, device="neuron")
        def attempt(what):
            try:
                what()
            except RuntimeError as error:
                print(type(error).__name__, error)
        if os.fork() == 0:
            attempt(lambda: tensor + 1)
            attempt(lambda: torch.ones(2).neuron())
            print(torch.ones(2) + 1, torch.neuron._is_in_bad_fork())
            torch.manual_seed(0)
            sys.stdout.flush()
            os._exit(0)
        os.wait()
        print((tensor + 1).tolist())
        """
    )
    lines = result.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines[:2]] == [
        "NeuronError Cannot re-initialize Neuron runtime in forked subprocess. To use Neuron with multiprocessing, "
        "use the 'spawn' start method"
    ] * 2, result.stderr
    assert lines[2:] == ["tensor([2., 2.]) True", "[2.0, 2.0]"]


def test_a_process_forked_before_the_first_use_can(alone: Any) -> None:
    result = alone(
        """
        import os, sys
        assert not torch.neuron.is_initialized()
        torch.manual_seed(0)
        if os.fork() == 0:
            print(torch.ones(2, device="neuron").tolist())
            sys.stdout.flush()
            os._exit(0)
        os.wait()
        """
    )
    assert result.stdout == "[1.0, 1.0]\n", result.stderr
