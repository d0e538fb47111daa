import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width, device=None):
        super().__init__()
        self.device = torch.device(device)
        self.inner = nn.Linear(8, width)
        self.outer = nn.Linear(width, 1)
        self.to(self.device)

    def forward(self, x):
        return self.outer(torch.tanh(self.inner(x.to(self.device))))
