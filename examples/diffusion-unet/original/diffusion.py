"""Denoising diffusion: the noise schedule, the training loss, and two samplers."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class Diffusion(nn.Module):
    def __init__(self, steps: int = 200):
        super().__init__()
        self.steps = steps
        betas = torch.linspace(1e-4, 0.05, steps, dtype=torch.float64)
        self.register_buffer("betas", betas.float())
        self.register_buffer("alpha_bars", torch.cumprod(1 - betas, dim=0).float())

    def add_noise(self, x: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        signal = self.alpha_bars[t][:, None, None, None]
        return signal.sqrt() * x + (1 - signal).sqrt() * noise

    def loss(self, model: nn.Module, x: torch.Tensor, labels: torch.Tensor, generator=None) -> torch.Tensor:
        t = torch.randint(self.steps, (len(x),), device=x.device, generator=generator)
        noise = torch.randn(x.shape, device=x.device, generator=generator)
        return F.mse_loss(model(self.add_noise(x, noise, t), t, labels).float(), noise)

    @torch.no_grad()
    def sample(self, model: nn.Module, labels: torch.Tensor, size: int, steps: int, generator=None) -> torch.Tensor:
        """DDIM: deterministic but for where it starts."""
        x = torch.randn(len(labels), 1, size, size, device=labels.device, generator=generator)
        times = torch.linspace(self.steps - 1, 0, steps, device=labels.device).long()
        for i, t in enumerate(times):
            noise = model(x, t.expand(len(labels)), labels).float()
            now = self.alpha_bars[t]
            clean = ((x - (1 - now).sqrt() * noise) / now.sqrt()).clamp(-1, 1)
            if i + 1 == steps:
                return clean
            following = self.alpha_bars[times[i + 1]]
            x = following.sqrt() * clean + (1 - following).sqrt() * noise
