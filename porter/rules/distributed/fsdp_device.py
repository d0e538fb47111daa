"""Sharding that is told its CUDA device: FSDP, device meshes.

## What CUDA does

`FullyShardedDataParallel(device_id=...)` and `init_device_mesh("cuda", ...)` place shards.

## On Neuron

FSDP2 (`fully_shard`) is what the vendor documents; FSDP1 is known to run in parts. Device meshes take `"neuron"`.

## When porter rewrites

The device that is passed is rewritten where it stands, by the rule for what it is: a string, or
`torch.cuda.current_device()`. A call of FSDP1 is left to a person: what it wraps is a choice.

## What to do

FSDP1 wraps the model, and its policy says which blocks:

```py
model = FSDP(
    Transformer(config),
    auto_wrap_policy=partial(transformer_auto_wrap_policy, transformer_layer_cls={Block}),
    mixed_precision=MixedPrecision(param_dtype=torch.bfloat16, reduce_dtype=torch.float32),
    device_id=torch.cuda.current_device(),
)
optimizer = torch.optim.AdamW(model.parameters())
model.clip_grad_norm_(1.0)
with FSDP.state_dict_type(model, StateDictType.FULL_STATE_DICT):
    state = model.state_dict()
```

FSDP2 shards it in place, block by block and then as a whole; names of parameters stay what they were:

```py
model = Transformer(config)
policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
mesh = init_device_mesh("neuron", (dist.get_world_size(),))
for block in model.layers:
    fully_shard(block, mesh=mesh, mp_policy=policy)
fully_shard(model, mesh=mesh, mp_policy=policy)
optimizer = torch.optim.AdamW(model.parameters())
torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
state = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
```

| FSDP1 | FSDP2 |
|---|---|
| `sharding_strategy=FULL_SHARD`, `SHARD_GRAD_OP` | `reshard_after_forward=True`, `False` |
| `HYBRID_SHARD` | a mesh of two dimensions |
| `cpu_offload=CPUOffload(True)` | `offload_policy=CPUOffloadPolicy()` |
| `with model.no_sync():` | `model.set_requires_gradient_sync(False)` |
| `use_orig_params`, `sync_module_states`, `limit_all_gathers` | gone: always so, or done by loading |

## Example

```py
mesh = init_device_mesh("cuda", (8,))
```

becomes

```py
mesh = init_device_mesh("neuron", (8,))
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.kernels.known import STAYS
from porter.rules.table import judgement
from porter.rules.uses import asks_class, judge_use


@rule("PRT505", "fsdp-device")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge calls; an argument is judged by the device in it, which is a site of its own."""
    if site.kind == "argument" and ctx.answer(row).verdict in STAYS:
        return Dismissed(site, "part") if _is_told(site, ctx) else judgement(site, row, ctx)
    if site.kind == "argument":
        return Dismissed(site, "part" if _holds_device(site, ctx) else "agnostic")
    if asks_class(site, ctx) or (site.role not in ("call", "base") and site.kind == "symbol"):
        return Dismissed(site, "agnostic")
    wraps = site.role == "call" and site.name.rpartition(".")[2][0].isupper()  # a class is told of in any case
    return judgement(site, row, ctx) if wraps else judge_use(site, row, ctx)


def _holds_device(site: Site, ctx: Context) -> bool:
    return any(s is not site for s in ctx.nesting.within(site.start, site.end))


def _is_told(argument: Site, ctx: Context) -> bool:
    """Whether the call that takes the argument is a finding itself."""
    return any(s.kind == "symbol" and argument.name.startswith(s.name) for s in ctx.where("call", argument.call))
