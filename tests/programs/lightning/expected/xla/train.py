"""A LightningModule and its Trainer, on two GPUs."""

import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Regression(L.LightningModule):
    def __init__(self, lr: float = 1e-2) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = nn.functional.mse_loss(self.net(x), y)
        print(f"step {batch_idx} loss {loss.item():.5f}")
        return loss

    def on_train_epoch_end(self):
        pass

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


def main() -> None:
    L.seed_everything(0)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(64, 8, generator=generator)
    loader = DataLoader(TensorDataset(x, x.mean(dim=1, keepdim=True)), batch_size=16)
    trainer = L.Trainer(
        max_epochs=1,
        accelerator="gpu" if torch.cuda.is_available() else "cpu",
        devices=2 if torch.cuda.is_available() else 1,
        precision="16-mixed" if torch.cuda.is_available() else "32-true",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.fit(Regression(), loader)


if __name__ == "__main__":
    main()
