"""Tell countries from surnames with an LSTM or a GRU.

    python train.py --cell gru
    python train.py --gpu -1        # on the CPU
"""

import argparse

import torch
import torch.nn as nn
from torch.utils.data import DataLoader

from data import ALPHABET, COUNTRIES, Names, collate
from model import RecurrentClassifier


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpu", type=int, default=0, help="number of the GPU; -1: CPU")
    parser.add_argument("--cell", default="lstm", choices=["lstm", "gru"])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--steps", type=int, help="stop after this many steps")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--clip", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", default="names.pt")
    parser.add_argument("--log-every", type=int, default=10)
    return parser.parse_args()


def evaluate(model: nn.Module, loader: DataLoader, device: torch.device) -> torch.Tensor:
    """Rows: what it is; columns: what the model says."""
    confusion = torch.zeros(len(COUNTRIES), len(COUNTRIES), dtype=torch.long)
    model.eval()
    with torch.no_grad():
        for tokens, lengths, labels in loader:
            predicted = model(tokens.to(device), lengths).argmax(dim=1).cpu()
            for actual, guess in zip(labels, predicted):
                confusion[actual, guess] += 1
    model.train()
    return confusion


def main() -> None:
    args = parse_args()
    use_cuda = args.gpu >= 0 and torch.neuron.is_available()
    device = torch.device(f"neuron:{args.gpu}" if use_cuda else "cpu")
    torch.manual_seed(args.seed)
    if use_cuda:
        torch.neuron.set_device(device)
        torch.neuron.manual_seed(args.seed)
        torch.backends.cudnn.deterministic = True

    train_loader = DataLoader(Names(1024, args.seed), args.batch_size, shuffle=True, collate_fn=collate)
    test_loader = DataLoader(Names(256, args.seed + 1), args.batch_size, collate_fn=collate)
    model = RecurrentClassifier(1 + len(ALPHABET), len(COUNTRIES), args.cell)
    criterion = nn.CrossEntropyLoss()
    if use_cuda:
        model = model.to("neuron")
        criterion = criterion.to("neuron")
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)

    step = 0
    for epoch in range(args.epochs):
        for tokens, lengths, labels in train_loader:
            if use_cuda:
                tokens, labels = tokens.to("neuron"), labels.to("neuron")
            loss = criterion(model(tokens, lengths), labels)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), args.clip)
            optimizer.step()
            step += 1
            if step % args.log_every == 0 or step == args.steps:
                print(f"step {step} loss {loss.item():.7f}")
            if step == args.steps:
                break
        confusion = evaluate(model, test_loader, device)
        print(f"epoch {epoch} accuracy {confusion.diag().sum() / confusion.sum():.4f}")
        if step == args.steps:
            break

    torch.save(model.state_dict(), args.save)
    restored = RecurrentClassifier(1 + len(ALPHABET), len(COUNTRIES), args.cell)
    restored.load_state_dict(torch.load(args.save, map_location=lambda storage, location: storage))


if __name__ == "__main__":
    main()
