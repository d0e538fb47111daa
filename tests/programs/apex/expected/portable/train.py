"""Mixed precision by Apex: gradients accumulated and clipped, checkpoints with the scale of the loss."""

import argparse
import os
import tempfile

import torch
from torch import nn


class Classifier(nn.Module):
    def __init__(self, words=50, width=32, classes=4):
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.encoder = nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, classes)

    def forward(self, words, labels=None):
        states, _ = self.encoder(self.embedding(words))
        logits = self.head(states[:, -1])
        if labels is None:
            return (logits,)
        return nn.functional.cross_entropy(logits.float(), labels), logits


def batches(count, words=50, size=16, length=12):
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        batch = torch.randint(words, (size, length), generator=generator)
        yield batch, batch[:, -1] % 4


def train(args, model):
    if args.fp16:
        from torch.optim import AdamW

        optimizer = AdamW(model.parameters(), lr=args.learning_rate, weight_decay=0.0)
    else:
        optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate, weight_decay=0.0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 4))
    if args.fp16:
        try:
            from apex import amp
        except ImportError:
            raise ImportError("Please install apex from https://www.github.com/nvidia/apex to use fp16 training.")
        model, optimizer = amp.initialize(model, optimizer, opt_level=args.fp16_opt_level)

    total, path = 0.0, os.path.join(tempfile.mkdtemp(), "checkpoint.pt")
    model.zero_grad()
    for step, batch in enumerate(batches(args.steps)):
        model.train()
        batch = tuple(t.to(args.device) for t in batch)
        inputs = {"words": batch[0], "labels": batch[1]}
        outputs = model(**inputs)
        loss = outputs[0]  # the model returns a tuple
        if args.gradient_accumulation_steps > 1:
            loss = loss / args.gradient_accumulation_steps

        if args.fp16:
            with amp.scale_loss(loss, optimizer) as scaled_loss:
                scaled_loss.backward()
        else:
            loss.backward()

        total += loss.item()
        if (step + 1) % args.gradient_accumulation_steps == 0:
            if args.fp16:
                torch.nn.utils.clip_grad_norm_(amp.master_params(optimizer), args.max_grad_norm)
            else:
                torch.nn.utils.clip_grad_norm_(model.parameters(), args.max_grad_norm)
            optimizer.step()
            scheduler.step()
            model.zero_grad()
        if step % 8 == 7:
            print(f"step {step + 1} loss {total / 4:.4f}")
            total = 0.0
            checkpoint = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            if args.fp16:
                checkpoint["amp"] = amp.state_dict()
            torch.save(checkpoint, path)

    checkpoint = torch.load(path, map_location=args.device)
    model.load_state_dict(checkpoint["model"])
    if args.fp16:
        amp.load_state_dict(checkpoint["amp"])
    return model


def evaluate(args, model):
    model.eval()
    losses = []
    with torch.no_grad():
        for words, labels in batches(2):
            losses.append(model(words.to(args.device), labels.to(args.device))[0].item())
    print(f"evaluated loss {sum(losses) / len(losses):.4f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--learning_rate", type=float, default=0.02)
    parser.add_argument("--max_grad_norm", type=float, default=1.0)
    parser.add_argument("--gradient_accumulation_steps", type=int, default=2)
    parser.add_argument("--no_cuda", action="store_true")
    parser.add_argument("--fp16", action="store_true")
    parser.add_argument("--fp16_opt_level", type=str, default="O1")
    args = parser.parse_args()
    args.device = torch.device(torch.accelerator.current_accelerator().type if torch.accelerator.is_available() and not args.no_cuda else "cpu")
    torch.manual_seed(0)
    model = Classifier().to(args.device)
    evaluate(args, train(args, model))


if __name__ == "__main__":
    main()
