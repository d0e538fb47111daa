"""A repository to measure on: deterministic, of any size, about as much tied to CUDA as real ones are."""

from __future__ import annotations

from pathlib import Path

CLEAN = '''
class Block{n}(nn.Module):
    """Attention and feed-forward, with a residual around each."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.forward_net = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x, mask=None):
        normed = self.norm(x)
        attended, weights = self.attention(normed, normed, normed, attn_mask=mask, need_weights=False)
        x = x + attended
        for i in range({n} % 3):
            if mask is not None and i > 0:
                x = x * mask[:, i].unsqueeze(-1)
        return x + self.forward_net(self.norm(x))

'''
TIED = '''
def train{n}(loader, steps: int) -> float:
    """One epoch on the first GPU."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = Block{n}(64, 4).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    total = 0.0
    for step, (x, y) in enumerate(loader):
        x, y = x.to(device), y.cuda(non_blocking=True)
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
        total += loss.item()
        if step == steps:
            break
    torch.cuda.synchronize()
    return total

'''
HEAD = "from __future__ import annotations\n\nimport torch\nfrom torch import nn\n"
BLOCKS = 12  # of a file
EVERY = 4  # file has CUDA, once


def grow(folder: Path, lines: int) -> int:
    """Write a package of about ``lines`` lines into ``folder``; how many they are."""
    written = n = 0
    while written < lines:
        text = HEAD + "".join(CLEAN.format(n=n * BLOCKS + i) for i in range(BLOCKS))
        if n % EVERY == 0:
            text += TIED.format(n=n * BLOCKS)
        path = folder / f"pkg{n // 50}" / f"module{n}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written += text.count("\n")
        n += 1
    return written
