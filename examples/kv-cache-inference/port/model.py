"""A decoder with a static key-value cache: every shape is known before the first token."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class KVCache(nn.Module):
    """Keys and values of one layer, (batch, heads, positions, head size)."""

    def __init__(self, batch: int, heads: int, length: int, head_dim: int, dtype: torch.dtype):
        super().__init__()
        shape = (batch, heads, length, head_dim)
        self.register_buffer("keys", torch.zeros(shape, dtype=dtype), persistent=False)
        self.register_buffer("values", torch.zeros(shape, dtype=dtype), persistent=False)

    def update(self, positions: torch.Tensor, keys: torch.Tensor, values: torch.Tensor):
        self.keys[:, :, positions] = keys
        self.values[:, :, positions] = values
        return self.keys, self.values


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads, self.head_dim = heads, dim // heads
        self.wqkv = nn.Linear(dim, 3 * dim, bias=False)
        self.wo = nn.Linear(dim, dim, bias=False)
        self.cache: KVCache | None = None

    def forward(self, x: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        batch, length, dim = x.shape
        q, k, v = self.wqkv(x).view(batch, length, 3, self.heads, self.head_dim).permute(2, 0, 3, 1, 4)
        k, v = self.cache.update(positions, k, v)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.wo(y.transpose(1, 2).reshape(batch, length, dim))


class Block(nn.Module):
    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(approximate="tanh"), nn.Linear(4 * dim, dim))

    def forward(self, x: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm1(x), mask, positions)
        return x + self.mlp(self.norm2(x))


class Decoder(nn.Module):
    def __init__(self, vocab: int = 64, dim: int = 128, heads: int = 4, layers: int = 4, max_length: int = 256):
        super().__init__()
        self.dim, self.heads, self.max_length = dim, heads, max_length
        self.tokens = nn.Embedding(vocab, dim)
        self.positions = nn.Embedding(max_length, dim)
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, vocab, bias=False)

    def setup_caches(self, batch: int, length: int) -> None:
        """Allocate once what generation will fill."""
        assert length <= self.max_length
        weight = self.head.weight
        for block in self.blocks:
            cache = KVCache(batch, self.heads, length, self.dim // self.heads, weight.dtype)
            block.attention.cache = cache.to(weight.device)
        self.register_buffer(
            "causal_mask",
            torch.tril(torch.ones(length, length, dtype=torch.bool, device=weight.device)),
            persistent=False,
        )

    def forward(self, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Logits of ``tokens``, (batch, length), which stand at ``positions``, (length,)."""
        mask = self.causal_mask[None, None, positions]
        x = self.tokens(tokens) + self.positions(positions)
        for block in self.blocks:
            x = block(x, mask, positions)
        return self.head(self.norm(x))
