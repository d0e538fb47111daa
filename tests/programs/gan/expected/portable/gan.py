"""A generator against a discriminator, on points of a circle."""

import math

import torch
from torch import nn, optim

DEVICE = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"

cuda = True if torch.accelerator.is_available() else False
torch.manual_seed(0)
LATENT = 4

generator = nn.Sequential(nn.Linear(LATENT, 32), nn.ReLU(), nn.Linear(32, 2))
discriminator = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
adversarial_loss = nn.BCEWithLogitsLoss()
if cuda:
    generator.to(DEVICE)
    discriminator.to(DEVICE)
    adversarial_loss.to(DEVICE)

optimizer_G = optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
optimizer_D = optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.5, 0.999))

angles = torch.rand(512) * 2 * math.pi
points = torch.stack([angles.cos(), angles.sin()], dim=1)
noise = torch.randn(32, 64, LATENT)

for step in range(32):
    real = points[torch.randperm(512)[:64]]
    z = noise[step]
    if cuda:
        real, z = real.to(DEVICE), z.to(DEVICE)
    valid = torch.ones(64, 1, device=real.device)
    fake = torch.zeros(64, 1, device=real.device)

    optimizer_D.zero_grad()
    made = generator(z)
    d_loss = (adversarial_loss(discriminator(real), valid) + adversarial_loss(discriminator(made.detach()), fake)) / 2
    d_loss.backward()
    optimizer_D.step()

    optimizer_G.zero_grad()
    g_loss = adversarial_loss(discriminator(made), valid)
    g_loss.backward()
    optimizer_G.step()

    if step % 8 == 7:
        print(f"step {step + 1} d_loss {d_loss.item():.5f} g_loss {g_loss.item():.5f}")
