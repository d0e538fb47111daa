"""Generate text with a static key-value cache, compiled into a CUDA graph.

    python generate.py --compile
    python generate.py --prompt "once upon" --temperature 0     # greedy
"""

import argparse
import time
from pathlib import Path

import torch
import torch._inductor.config
from torch.nn.attention import SDPBackend, sdpa_kernel

from model import Decoder

torch._inductor.config.coordinate_descent_tuning = True
torch._inductor.config.triton.unique_kernel_names = True

ALPHABET = "\n abcdefghijklmnopqrstuvwxyz.,;:!?'\"-()0123456789"
DEVICE = "neuron" if torch.neuron.is_available() else "cpu"


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompt", default="once upon a time")
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--num-samples", type=int, default=1)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--top-k", type=int, default=16)
    parser.add_argument("--checkpoint", type=Path, help="weights; random ones without it")
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float16", "float32"])
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--profile", type=Path, help="write a Chrome trace here")
    parser.add_argument("--scores", type=Path, help="write the logits of every token here")
    parser.add_argument("--seed", type=int, default=1234)
    return parser.parse_args()


def sample(logits: torch.Tensor, temperature: float, top_k: int) -> torch.Tensor:
    """The next token of each row, (batch, 1), without a synchronisation."""
    logits = logits[:, -1].float()
    if temperature == 0:
        return logits.argmax(dim=-1, keepdim=True)
    floor = torch.topk(logits, top_k).values[:, -1:]
    probabilities = torch.softmax(logits.masked_fill(logits < floor, -float("inf")) / temperature, dim=-1)
    noise = torch.empty_like(probabilities).exponential_(1)
    return torch.argmax(probabilities / noise, dim=-1, keepdim=True)


def prefill(model: Decoder, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    return model(tokens, positions)


def decode_one_token(model: Decoder, token: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
    return model(token, position)


@torch.inference_mode()
def generate(model: Decoder, prompt: torch.Tensor, new_tokens: int, temperature: float, top_k: int, decode):
    """Returns the tokens, (batch, prompt + new), and the logits of every new one."""
    length = prompt.shape[1]
    tokens = torch.empty(prompt.shape[0], length + new_tokens, dtype=torch.long, device=prompt.device)
    tokens[:, :length] = prompt
    logits = prefill(model, prompt, torch.arange(length, device=prompt.device))
    scores = [logits[:, -1:]]
    token = sample(logits, temperature, top_k)
    tokens[:, length : length + 1] = token
    position = torch.tensor([length], device=prompt.device)
    for i in range(1, new_tokens):
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernels gain nothing with one query
            logits = decode(model, token, position)
        scores.append(logits.clone())
        token = sample(logits, temperature, top_k)
        tokens[:, length + i : length + i + 1] = token
        position += 1
    return tokens, torch.cat(scores, dim=1)


def synchronize() -> None:
    if DEVICE == "neuron":
        torch.neuron.synchronize()


def main() -> None:
    args = parse_args()
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")

    model = Decoder(vocab=len(ALPHABET))
    if args.checkpoint:
        model.load_state_dict(torch.load(args.checkpoint, map_location="cpu", mmap=True, weights_only=True))
    model = model.to(device=DEVICE, dtype=getattr(torch, args.dtype)).eval()
    prompt = torch.tensor([[ALPHABET.index(c) for c in args.prompt]], device=DEVICE).repeat(args.num_samples, 1)
    model.setup_caches(args.num_samples, prompt.shape[1] + args.max_new_tokens)

    decode = decode_one_token
    if args.compile:
        decode = torch.compile(decode_one_token, fullgraph=True)
        generate(model, prompt, 3, args.temperature, args.top_k, decode)  # compile before the clock starts

    if args.profile:
        torch.profiler._utils._init_for_cuda_graphs()
        profiler = torch.profiler.profile(
            activities=[torch.profiler.ProfilerActivity.CPU]
        )
        profiler.start()
    synchronize()
    began = time.perf_counter()
    tokens, scores = generate(model, prompt, args.max_new_tokens, args.temperature, args.top_k, decode)
    synchronize()
    elapsed = time.perf_counter() - began
    if args.profile:
        profiler.stop()
        profiler.export_chrome_trace(str(args.profile))

    for row in tokens.tolist():
        print("".join(ALPHABET[token] for token in row))
    print(f"{tokens.numel() / elapsed:.1f} tokens/s")
    if DEVICE == "neuron":
        print(f"memory: {torch.neuron.max_memory_reserved() / 2**20:.0f} MiB")
    if args.scores:
        torch.save({"tokens": tokens.cpu(), "logits": scores.float().cpu()}, args.scores)


if __name__ == "__main__":
    main()
