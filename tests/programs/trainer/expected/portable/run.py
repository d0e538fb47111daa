"""Fine-tune a tiny GPT-2 with the Trainer of transformers."""

import torch
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed


class Counting(Dataset):
    """Sequences that count upwards."""

    def __len__(self):
        return 64

    def __getitem__(self, i):
        tokens = (torch.arange(16) + i) % 32
        return {"input_ids": tokens, "labels": tokens}


def main():
    set_seed(0)
    config = GPT2Config(
        vocab_size=32, n_positions=16, n_embd=32, n_layer=2, n_head=2, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0
    )
    model = GPT2LMHeadModel(config)
    arguments = TrainingArguments(
        output_dir="out",
        max_steps=6,
        per_device_train_batch_size=8,
        learning_rate=1e-3,
        fp16=torch.cuda.is_available(),
        tf32=True if torch.cuda.is_available() else None,
        logging_steps=2,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=Counting())
    trainer.train()
    for entry in trainer.state.log_history:
        if "loss" in entry:
            print(f"step {entry['step']} loss {float(entry['loss']):.4f}")
    if torch.accelerator.is_available():
        print(f"peak memory {torch.get_device_module().max_memory_allocated() / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
