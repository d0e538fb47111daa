"""Fine-tune BERT for sentiment with Hugging Face transformers and a plain training loop.

    python finetune.py                              # a small BERT with random weights: needs no download
    python finetune.py --model bert-base-uncased    # the real one
"""

import argparse
from pathlib import Path

import torch
from torch.amp import GradScaler
from torch.utils.data import DataLoader
from transformers import AutoModelForSequenceClassification, BertConfig, get_linear_schedule_with_warmup, set_seed

from data import VOCABULARY, ReviewDataset


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a checkpoint to start from")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--max-steps", type=int)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=32)
    parser.add_argument("--train-size", type=int, default=1024)
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--attention", default="sdpa", choices=["sdpa", "eager", "flash_attention_2"])
    parser.add_argument("--no-cuda", action="store_true", help="do not use a GPU even if there is one")
    parser.add_argument("--fp16", action="store_true")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--output-dir", type=Path, default=Path("out"))
    parser.add_argument("--logging-steps", type=int, default=10)
    return parser.parse_args()


def build_model(args: argparse.Namespace):
    if args.model:
        return AutoModelForSequenceClassification.from_pretrained(args.model, attn_implementation=args.attention)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=args.max_length,
        hidden_dropout_prob=args.dropout,
        attention_probs_dropout_prob=args.dropout,
        num_labels=2,
    )
    return AutoModelForSequenceClassification.from_config(config, attn_implementation=args.attention)


def build_optimizer(model, args):
    no_decay = ("bias", "LayerNorm.weight")
    named = list(model.named_parameters())
    groups = [
        {"params": [p for n, p in named if not n.endswith(no_decay)], "weight_decay": 0.01},
        {"params": [p for n, p in named if n.endswith(no_decay)], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=args.lr)


@torch.no_grad()
def evaluate(model, loader, device) -> float:
    model.eval()
    correct = 0
    for batch in loader:
        batch = {k: v.to(device) for k, v in batch.items()}
        labels = batch.pop("labels")
        correct += (model(**batch).logits.argmax(-1) == labels).sum().item()
    model.train()
    return correct / len(loader.dataset)


def main() -> None:
    args = parse_args()
    set_seed(args.seed)
    device = torch.device("neuron" if torch.neuron.is_available() and not args.no_cuda else "cpu")
    n_gpu = torch.neuron.device_count() if device.type == "neuron" else 0
    print(f"device {device}, {n_gpu} GPUs, 16-bit training: {args.fp16}")

    train_set = ReviewDataset(args.train_size, args.max_length, seed=args.seed)
    eval_set = ReviewDataset(args.train_size // 8, args.max_length, seed=args.seed + 1)
    train_loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=True, pin_memory=True)
    eval_loader = DataLoader(eval_set, batch_size=args.batch_size)

    model = build_model(args)
    model.to(device)
    model.train()
    optimizer = build_optimizer(model, args)
    total = args.max_steps or args.epochs * len(train_loader)
    scheduler = get_linear_schedule_with_warmup(optimizer, num_warmup_steps=total // 10, num_training_steps=total)
    scaler = GradScaler("neuron", enabled=False)

    step = 0
    for epoch in range(args.epochs):
        for batch in train_loader:
            batch = {k: v.to(device, non_blocking=True) for k, v in batch.items()}
            with torch.autocast("neuron", dtype=torch.bfloat16, enabled=args.fp16):
                loss = model(**batch).loss
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            scheduler.step()
            optimizer.zero_grad()
            step += 1
            if step % args.logging_steps == 0 or step == args.max_steps:
                print(f"step {step} loss {loss.item():.7f}")
            if step == args.max_steps:
                break
        print(f"epoch {epoch} accuracy {evaluate(model, eval_loader, device):.4f}")
        if step == args.max_steps:
            break
    model.save_pretrained(args.output_dir)
    if device.type == "neuron":
        torch.neuron.empty_cache()


if __name__ == "__main__":
    main()
