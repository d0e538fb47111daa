"""h[t] = gates[t] * h[t - 1] + inputs[t]: a CUDA extension if it was built (`pip install .`), PyTorch otherwise."""

import torch

try:
    import linear_scan_cuda
except ImportError:
    linear_scan_cuda = None


class LinearScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, gates, inputs):
        gates, inputs = gates.contiguous(), inputs.contiguous()
        states = torch.empty_like(inputs)
        linear_scan_cuda.scan_forward(gates, inputs, states)
        ctx.save_for_backward(gates, states)
        return states

    @staticmethod
    def backward(ctx, grad):
        gates, states = ctx.saved_tensors
        grad_gates, grad_inputs = torch.empty_like(gates), torch.empty_like(gates)
        linear_scan_cuda.scan_backward(gates, states, grad.contiguous(), grad_gates, grad_inputs)
        return grad_gates, grad_inputs


def linear_scan(gates: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """All tensors are (batch, time, channels)."""
    if linear_scan_cuda is not None and inputs.is_cuda:
        return LinearScan.apply(gates, inputs)
    state, states = torch.zeros_like(inputs[:, 0]), []
    for gate, x in zip(gates.unbind(1), inputs.unbind(1)):
        state = gate * state + x
        states.append(state)
    return torch.stack(states, dim=1)
