"""REINFORCE on a corridor: the steps of an episode are many, that of the optimizer is one."""

import random

import torch
from torch import nn

device = torch.device("neuron:0" if torch.neuron.is_available() else "cpu")
random.seed(0)
torch.manual_seed(0)
if torch.neuron.is_available():
    torch.neuron.manual_seed(0)

LENGTH = 6


class Corridor:
    """Walk right to the end; every step costs."""

    def reset(self):
        self.at = 0
        return self._observe()

    def step(self, action):
        self.at = max(0, self.at + (1 if action == 1 else -1))
        done = self.at == LENGTH
        return self._observe(), 1.0 if done else -0.1, done

    def _observe(self):
        state = torch.zeros(LENGTH + 1)
        state[self.at] = 1.0
        return state


policy = nn.Sequential(nn.Linear(LENGTH + 1, 32), nn.ReLU(), nn.Linear(32, 2)).to(device)
optimizer = torch.optim.Adam(policy.parameters(), lr=2e-2)
env = Corridor()


def select_action(state):
    probabilities = torch.softmax(policy(state.to(device)), dim=-1)
    action = random.choices((0, 1), weights=probabilities.detach().cpu().tolist())[0]
    return action, torch.log(probabilities[action])


def finish_episode(log_probabilities, rewards):
    returns, total = [], 0.0
    for reward in reversed(rewards):
        total = reward + 0.95 * total
        returns.insert(0, total)
    returns = torch.tensor(returns).to(device)
    loss = -(torch.stack(log_probabilities) * (returns - returns.mean())).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def main():
    for episode in range(6):
        state = env.reset()
        log_probabilities, rewards = [], []
        for _ in range(24):
            action, log_probability = select_action(state)
            state, reward, done = env.step(action)
            log_probabilities.append(log_probability)
            rewards.append(reward)
            if done:
                break
        loss = finish_episode(log_probabilities, rewards)
        print(f"episode {episode + 1} steps {len(rewards)} loss {loss:.4f}")


if __name__ == "__main__":
    main()
