"""Backward passes: on every core, in every thread, through checkpoints and hooks."""

from __future__ import annotations

import threading
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("simulation")


@pytest.mark.parametrize("device", ["neuron:0", "neuron:1"])
def test_backward_on_each_core(device: str) -> None:
    leaf = torch.arange(3.0).to(device).requires_grad_()
    (leaf**2).sum().backward()
    assert leaf.grad.device == torch.device(device) and leaf.grad.tolist() == [0, 2, 4]
    (leaf**2).sum().backward()
    assert leaf.grad.tolist() == [0, 4, 8]


def test_backward_across_cores_and_cpu() -> None:
    leaf = torch.ones(2, requires_grad=True)
    (leaf.to("neuron:0") * 2).to("neuron:1").exp().cpu().sum().backward()
    assert leaf.grad.is_cpu
    torch.testing.assert_close(leaf.grad, torch.full((2,), 2 * 7.389056))


def test_backward_in_other_threads() -> None:
    grads: list[Any] = []

    def work() -> None:
        leaf = torch.ones(2, device="neuron:1", requires_grad=True)
        for _ in range(20):
            leaf.grad = None
            (leaf @ leaf).backward()
        grads.append(leaf.grad.tolist())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert grads == [[2.0, 2.0]] * 4


def test_gradients_of_gradients() -> None:
    leaf = torch.tensor([2.0], device="neuron", requires_grad=True)
    (first,) = torch.autograd.grad(leaf**3, leaf, create_graph=True)
    (second,) = torch.autograd.grad(first, leaf)
    assert (first.item(), second.item()) == (12, 12)
    assert torch.autograd.gradcheck(
        lambda x: torch.nn.functional.conv2d(x, x).sin(), torch.rand(1, 1, 3, 3, device="neuron", requires_grad=True),
        eps=1e-2, atol=1e-2, rtol=1e-2,
    )  # fmt: skip


def test_modes() -> None:
    leaf = torch.ones(2, device="neuron", requires_grad=True)
    with torch.no_grad():
        assert not (leaf * 2).requires_grad
    with torch.inference_mode():
        result = (leaf * 2).add_(1)
        assert result.is_inference() and result.tolist() == [3, 3]
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"):
        leaf.add_(1)
    saved = leaf.exp()
    with torch.no_grad():
        saved.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        saved.sum().backward()


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoints(reentrant: bool) -> None:
    from torch.utils.checkpoint import checkpoint

    def block(x: Any) -> Any:
        return torch.nn.functional.dropout((x @ x).relu(), 0.5)

    grads = []
    for run in (block, lambda x: checkpoint(block, x, use_reentrant=reentrant)):
        leaf = torch.arange(4.0).reshape(2, 2).to("neuron:1").requires_grad_()
        torch.manual_seed(0)
        with torch.autocast("neuron", dtype=torch.bfloat16):
            run(leaf).sum().backward()
        grads.append(leaf.grad)
    assert grads[0].equal(grads[1]) and grads[0].any()


def test_hooks_and_functions() -> None:
    seen: list[Any] = []

    class Double(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type="neuron")
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        @torch.amp.custom_bwd(device_type="neuron")
        def backward(ctx: Any, grad: Any) -> Any:
            (x,) = ctx.saved_tensors
            assert x.is_neuron and grad.is_neuron
            return grad * 2

    leaf = torch.ones(2, device="neuron", requires_grad=True)
    leaf.register_hook(lambda grad: seen.append(grad.device))
    leaf.register_post_accumulate_grad_hook(lambda each: seen.append(each.grad.device))
    torch.autograd.Variable._execution_engine.is_checkpoint_valid()
    Double.apply(leaf).sum().backward()
    assert leaf.grad.tolist() == [2, 2] and seen == [torch.device("neuron:0")] * 2


def test_the_program_stays_on_the_stack_of_its_backward_pass(trace: Any) -> None:
    leaf = torch.ones(2, device="neuron", requires_grad=True)
    leaf.register_hook(lambda grad: grad * float(grad.sum()))
    leaf.sum().backward()
    (sync,) = trace.summary().syncs
    assert sync.path == __file__
