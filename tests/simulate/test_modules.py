"""Layers of torch.nn, forward and backward, against CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.simulate.models import distance, pair

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = pytest.mark.usefixtures("simulation")


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerDecoderLayer(4, 2, 8, dropout=0.0)

    def forward(self, x: Any) -> Any:
        return self.layer(x, x * 2, tgt_mask=nn.Transformer.generate_square_subsequent_mask(5, device=x.device))


IMAGE, SEQUENCE, ROW = (2, 3, 8, 8), (5, 3, 4), (6, 4)
LAYERS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "conv": (lambda: nn.Conv2d(3, 4, 3, padding=1, stride=2), IMAGE),
    "grouped conv": (lambda: nn.Conv2d(3, 6, 3, groups=3, bias=False), IMAGE),
    "conv1d": (lambda: nn.Conv1d(3, 4, 2), SEQUENCE),
    "transposed conv": (lambda: nn.ConvTranspose2d(3, 2, 2, stride=2), IMAGE),
    "batch norm": (lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU()), IMAGE),
    "pooling": (lambda: nn.Sequential(nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(2)), IMAGE),
    "upsampling": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), IMAGE),
    "group norm": (lambda: nn.GroupNorm(3, 3), IMAGE),
    "layer norm": (lambda: nn.LayerNorm(4), SEQUENCE),
    "rms norm": (lambda: nn.RMSNorm(4), SEQUENCE),
    "dropout": (lambda: nn.Dropout(0.5), ROW),
    "encoder": (lambda: nn.TransformerEncoderLayer(4, 2, 8, dropout=0.1, batch_first=True), SEQUENCE),
    "decoder": (Decoder, SEQUENCE),
    "rnn": (lambda: nn.RNN(4, 5, 2, nonlinearity="relu"), SEQUENCE),
    "rnn cell": (lambda: nn.RNNCell(4, 5), ROW),
    "lstm": (lambda: nn.LSTM(4, 5, 2, bidirectional=True, batch_first=True, dropout=0.2), SEQUENCE),
    "lstm, projected": (lambda: nn.LSTM(4, 5, proj_size=3), SEQUENCE),
    "lstm, no bias": (lambda: nn.LSTM(4, 5, bias=False), SEQUENCE),
    "lstm cell": (lambda: nn.LSTMCell(4, 5), ROW),
    "gru": (lambda: nn.GRU(4, 5, 2, bidirectional=True), SEQUENCE),
    "gru, no bias": (lambda: nn.GRU(4, 5, bias=False), SEQUENCE),
    "gru cell": (lambda: nn.GRUCell(4, 5), ROW),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    make, shape = LAYERS[name]
    assert distance(make, [torch.randn(shape)]) < 1e-6


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_packed_sequences(kind: Any) -> None:
    from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

    host, ours = pair(lambda: kind(4, 5, 2, bidirectional=True))
    packed = pack_sequence([torch.randn(5, 4), torch.randn(3, 4), torch.randn(1, 4)])
    left, lengths = pad_packed_sequence(host(packed)[0])
    right, same = pad_packed_sequence(ours(packed.to("neuron"))[0])
    assert right.is_neuron and lengths.equal(same)
    torch.testing.assert_close(right.cpu(), left)
    left.sum().backward()
    right.sum().backward()
    for expected, parameter in zip(host.parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad.cpu(), expected.grad)


MASKS: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "bool": lambda: torch.ones(6, 6).tril().bool(),
    "float": lambda: torch.randn(6, 6),
    "learned": lambda: torch.randn(6, 6, requires_grad=True),
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(
    "options", [{}, {"is_causal": True}, {"scale": 0.3}, {"enable_gqa": True}, {"dropout_p": 0.5}], ids=str
)
def test_attention(options: dict[str, Any], mask: str, trace: Any) -> None:
    if options.get("is_causal") and mask != "none":
        pytest.skip("PyTorch takes one or the other")
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 6, 8).unbind()
    if options.get("enable_gqa"):
        key, value = key[:, :2], value[:, :2]
    found = []
    bias = MASKS[mask]()
    for device in ("cpu", "neuron"):
        leaves = [each.detach().clone().to(device).requires_grad_() for each in (query, key, value)]
        extra = None if bias is None else bias.detach().to(device).requires_grad_(bias.requires_grad)
        torch.manual_seed(1)
        result = nn.functional.scaled_dot_product_attention(*leaves, attn_mask=extra, **options)
        result.sum().backward()
        found.append([result, *(leaf.grad for leaf in leaves), *([extra.grad] if mask == "learned" else [])])
    for host, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours.cpu(), host)
    names = {operator.name for operator in trace.summary().operators}
    assert ("aten::scaled_dot_product_attention" in names) == (mask != "learned" and "dropout_p" not in options)


def test_attention_without_gradients() -> None:
    query = torch.randn(2, 4, 6, 8)
    expected = nn.functional.scaled_dot_product_attention(query, query, query)
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            ours = query.to("neuron")
            assert nn.functional.scaled_dot_product_attention(ours, ours, ours).cpu().equal(expected)


def test_moving_a_module_keeps_its_parameters() -> None:
    """As the vendor's backend does: weights stay tied, an optimizer that is there already trains the moved ones."""
    tied = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 10, bias=False))
    tied[1].weight = tied[0].weight
    weight = tied[0].weight
    optimizer = torch.optim.SGD(tied.parameters(), lr=1.0)
    tied.to("neuron")
    assert tied[0].weight is tied[1].weight is weight and weight.is_neuron
    before = weight.detach().clone()
    tied(torch.tensor([1, 2]).to("neuron")).sum().backward()
    optimizer.step()
    assert not before.equal(weight)
    tied.to("neuron:1").to("cpu")
    assert tied[0].weight is tied[1].weight is weight and weight.is_cpu
    assert nn.Linear(2, 2, device="meta").to_empty(device="neuron").weight.is_neuron
    assert nn.Linear(2, 2).neuron(1).weight.device.index == 1
