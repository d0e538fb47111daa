"""Train a small classifier on one GPU, keep the best, and evaluate it."""

import argparse

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

DEVICE = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"


class Net(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(16, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.head = nn.Linear(width, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


def make_data(rows: int, seed: int) -> TensorDataset:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 16, generator=generator)
    return TensorDataset(x, x[:, :4].argmax(dim=1))


@torch.no_grad()
def evaluate(model: nn.Module, loader: DataLoader, device: torch.device) -> float:
    model.eval()
    right = torch.zeros((), device=device)
    for x, y in loader:
        x, y = x.to(device), y.to(device)
        right += (model(x).argmax(dim=1) == y).sum()
    return right.item() / len(loader.dataset)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--no-cuda", action="store_true", help="stay on the CPU")
    parser.add_argument("--out", default="best.pt")
    args = parser.parse_args()

    use_cuda = torch.accelerator.is_available() and not args.no_cuda
    device = torch.device(DEVICE if use_cuda else "cpu")
    torch.manual_seed(0)
    if use_cuda:
        torch.backends.cudnn.benchmark = True

    kwargs = {"num_workers": 0, "pin_memory": True} if use_cuda else {}
    train_loader = DataLoader(make_data(256, 1), batch_size=32, shuffle=True, drop_last=True, **kwargs)
    test_loader = DataLoader(make_data(64, 2), batch_size=32, **kwargs)

    model = Net().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs)
    criterion = nn.CrossEntropyLoss()

    best = 0.0
    for epoch in range(args.epochs):
        model.train()
        total = torch.zeros((), device=device)
        for x, y in train_loader:
            x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.detach()
        scheduler.step()
        accuracy = evaluate(model, test_loader, device)
        print(f"epoch {epoch} loss {total.item() / len(train_loader):.5f} accuracy {accuracy:.4f}")
        if accuracy > best:
            best = accuracy
            torch.save({"model": model.state_dict(), "epoch": epoch}, args.out)

    state = torch.load(args.out, map_location=device)
    model.load_state_dict(state["model"])
    print(f"best {evaluate(model, test_loader, device):.4f}")


if __name__ == "__main__":
    main()
