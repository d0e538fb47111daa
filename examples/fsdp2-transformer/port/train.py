"""Train a transformer with fully sharded data parallelism (FSDP2).

    torchrun --standalone --nproc_per_node=8 train.py
"""

import argparse
import os
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
import torch.nn.functional as F
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_state_dict,
    set_model_state_dict,
    set_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.utils.data import DataLoader

from data import CountingDataset
from model import ModelArgs, Transformer


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=8, help="per GPU")
    parser.add_argument("--seq-len", type=int, default=64)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--max-norm", type=float, default=1.0)
    parser.add_argument("--param-dtype", default="bfloat16", choices=["bfloat16", "float32"])
    parser.add_argument("--recompute", action="store_true", help="activation checkpointing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", type=Path, help="a folder: resume from it if it exists, save to it at the end")
    parser.add_argument("--log-every", type=int, default=10)
    return parser.parse_args()


def build_model(args: argparse.Namespace, mesh) -> Transformer:
    """Shard on the meta device, so that no rank but the first ever holds the whole model; rank 0 sends the weights."""
    config = ModelArgs(max_seq_len=args.seq_len, recompute=args.recompute)
    with torch.device("meta"):
        model = Transformer(config)
    policy = MixedPrecisionPolicy(param_dtype=getattr(torch, args.param_dtype), reduce_dtype=torch.float32)
    for layer in model.layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    model.to_empty(device="neuron")
    model.init_buffers()

    weights = {}
    if dist.get_rank() == 0:
        whole = Transformer(config)
        whole.init_weights()
        weights = whole.state_dict()
    set_model_state_dict(model, weights, options=StateDictOptions(full_state_dict=True, broadcast_from_rank0=True))
    return model


def main() -> None:
    args = parse_args()
    local_rank = int(os.environ["LOCAL_RANK"])
    device = torch.device(f"neuron:{local_rank}")
    dist.init_process_group("neuron")
    torch.neuron.set_device(device)
    rank, world_size = dist.get_rank(), dist.get_world_size()
    mesh = init_device_mesh("neuron", (world_size,), mesh_dim_names=("dp",))

    torch.manual_seed(args.seed)
    torch.backends.cuda.matmul.allow_tf32 = True
    model = build_model(args, mesh)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    if args.checkpoint and args.checkpoint.exists():
        weights, moments = get_state_dict(model, optimizer)
        state = {"model": weights, "optimizer": moments}
        dcp.load(state, checkpoint_id=args.checkpoint)
        set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
    if rank == 0:
        parameters = sum(p.numel() for p in model.parameters())
        print(f"{parameters:,} parameters on {world_size} ranks of {torch.neuron.get_device_properties(torch.neuron.current_device()).name}")

    dataset = CountingDataset(model.args.vocab_size, args.seq_len, rank, world_size, seed=args.seed)
    batches = iter(DataLoader(dataset, batch_size=args.batch_size, pin_memory=True))
    torch.neuron.reset_peak_memory_stats()
    began = time.perf_counter()
    for step in range(1, args.steps + 1):
        tokens, targets = (t.to(device, non_blocking=True) for t in next(batches))
        loss = F.cross_entropy(model(tokens).flatten(0, 1).float(), targets.flatten())
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), args.max_norm)
        optimizer.step()
        optimizer.zero_grad()
        if step % args.log_every == 0 or step == args.steps:
            mean, norm = loss.detach() / world_size, norm.full_tensor()
            dist.all_reduce(mean)
            if rank == 0:
                print(f"step {step} loss {mean.item():.7f} norm {norm.item():.4f}", flush=True)

    torch.neuron.synchronize()
    if rank == 0:
        rate = args.steps * args.batch_size * args.seq_len * world_size / (time.perf_counter() - began)
        peak = torch.neuron.max_memory_allocated() / 2**20
        print(f"{rate:,.0f} tokens/s, {peak:.0f} MiB at most")
    if args.checkpoint:
        weights, moments = get_state_dict(model, optimizer)
        dcp.save({"model": weights, "optimizer": moments}, checkpoint_id=args.checkpoint)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
