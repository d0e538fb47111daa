import torch


class Engine:
    def __init__(self, model, config):
        self.model = model
        self.device = config["device"]
        self.optimizer = torch.optim.SGD(model.parameters(), lr=config["lr"], momentum=0.9)

    def train_step(self, x, y):
        self.optimizer.zero_grad()
        loss = (self.model(x) - y.to(self.device)).square().mean()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def close(self):
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
