"""Programs with Apex's mixed precision: in float32 they train the same once rewritten, in bfloat16 nearly so."""

from __future__ import annotations

import sys
from textwrap import dedent

import pytest

from porter.api import rewrite_source

torch = pytest.importorskip("torch")

from tests.semantics.references import modules  # noqa: E402

SETUP = """
import torch
from torch import nn
from apex import amp

torch.manual_seed(0)
data = [(torch.randn(8, 6), torch.randn(8, 3)) for _ in range(6)]
model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
model, optimizer = amp.initialize(model, optimizer, opt_level=level, loss_scale=128.0, num_losses=2, verbosity=0)
"""

LOOPS = {
    "clipped": """
    for x, y in data:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        with amp.scale_loss(loss, optimizer) as scaled_loss:
            scaled_loss.backward()
        nn.utils.clip_grad_norm_(amp.master_params(optimizer), 0.5)
        optimizer.step()
    """,
    "accumulated": """
    for step, (x, y) in enumerate(data):
        output = model(x)
        loss = nn.functional.mse_loss(output, y)
        loss = loss / 2
        if step % 2 == 0:
            with amp.scale_loss(loss, optimizer, delay_unscale=True) as scaled_loss:
                scaled_loss.backward()
        else:
            with amp.scale_loss(loss, optimizer) as loss:
                loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    """,
    "two losses": """
    saved = {"model": model.state_dict(), "amp": amp.state_dict()}
    for x, y in data:
        hidden = model(x)
        first = (hidden - y).pow(2).mean()
        with amp.scale_loss(first, optimizer, loss_id=0) as scaled:
            scaled.backward(retain_graph=True)
        with amp.scale_loss(hidden.abs().mean() / 2, optimizer, loss_id=1) as scaled:
            scaled.backward()
        optimizer.step()
        optimizer.zero_grad()
    amp.load_state_dict(saved["amp"])
    """,
}


def trained(program: str, level: str) -> torch.Tensor:
    """The parameters in the end."""
    names = {"level": level}
    exec(program, names)
    return torch.cat([p.detach().flatten() for p in names["model"].parameters()])  # type: ignore[attr-defined]


@pytest.mark.parametrize("loop", LOOPS)
def test_programs_train_as_they_did(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)  # another test may have simulated one
    program = SETUP + dedent(LOOPS[loop])
    ported = rewrite_source(program, target="neuron").source.replace('"neuron"', '"cpu"')
    assert "apex" not in ported
    assert "amp." not in ported
    theirs, ours, halved = trained(program, "O0"), trained(ported, "O0"), trained(ported, "O1")
    assert torch.allclose(theirs, ours, rtol=1e-5, atol=1e-7)
    assert torch.allclose(theirs, halved, rtol=0.05, atol=0.01)
    assert not torch.equal(ours, halved)


def test_a_block_that_ends_the_file_without_a_newline_moves_like_any() -> None:
    program = dedent(LOOPS["clipped"]).partition("    nn.utils")[0].rstrip()
    ported = rewrite_source(f"{SETUP}{program}", target="neuron").source
    assert ported.endswith("\n    loss.backward()")
