"""Where two models part, from their own forward passes."""

from __future__ import annotations

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch", reason="porter verify needs torch")
nn = torch.nn

from porter.verify.divergence import first_divergence  # noqa: E402
from porter.verify.layers import Layers  # noqa: E402


class Block(nn.Module):  # type: ignore[misc]
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.first, self.second, self.factor = nn.Linear(4, 4), nn.Linear(4, 4), factor

    def forward(self, x: Any) -> Any:
        return self.second(self.first(x) * self.factor)


class Model(nn.Module):  # type: ignore[misc]
    def __init__(self, factor: float = 1.0, after: float = 1.0, slope: float = 0.1, skip: bool = False) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(1.0), Block(factor)])
        self.act, self.after, self.skip = nn.LeakyReLU(slope), after, skip

    def forward(self, x: Any) -> Any:
        for block in self.blocks[1:] if self.skip else self.blocks:
            x = block(x)
        return {"logits": self.act(x) * self.after}


def calls(model: Any, dtype: Any = torch.float32) -> list[Any]:
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    with Layers(model, enabled=True) as layers:
        model.to(dtype)(torch.randn(3, 4, dtype=dtype))
    model(torch.zeros(3, 4, dtype=dtype))  # is no longer recorded
    return layers.calls


def divergence(port: Any, precision: str = "float32", dtype: Any = torch.float32) -> str:
    return first_divergence(calls(Model()), calls(port, dtype), precision, {})


@pytest.mark.parametrize(
    ("port", "where"),
    [
        (Model(slope=0.2), "in `act` (LeakyReLU)"),
        (
            Model(factor=1.1),
            "in the code of `blocks.1`, after `blocks.1.first` (Linear), on the way to `blocks.1.second` (Linear)",
        ),
        (Model(after=1.1), "in the model itself (Model): `logits` differs"),
        (Model(skip=True), "the original goes on with `blocks.0.first` (Linear), the port with `blocks.1.first`"),
        (Model(), "in no layer: the first forward pass agrees in all 8 calls"),
    ],
    ids=["in a layer", "between layers", "at the end", "other layers", "nowhere"],
)
def test_where_they_part(port: Any, where: str) -> None:
    assert divergence(port).startswith(where)


def test_lower_precision_is_no_divergence_where_it_is_meant() -> None:
    assert "on the way to `blocks.0.first` (Linear) (input `0` differs)" in divergence(
        Model(), "float32", torch.bfloat16
    )
    assert divergence(Model(), "bfloat16", torch.bfloat16).startswith("in no layer")


def test_only_the_first_step_is_recorded() -> None:
    assert len(calls(Model())) == 8
