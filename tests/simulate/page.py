"""docs/policies.md, from the data: `python -m tests.simulate.page` writes it, a test compares."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import porter.catalog
from porter.simulate.fallbacks import FALLBACKS, Known
from porter.simulate.policies import POLICIES

PATH = Path(__file__).parents[2] / "docs/policies.md"

TOP = """
# Policies of the simulated device

<!-- written by `python -m tests.simulate.page` from porter/simulate/policies/table.py: change it there -->

The simulated device shows what PyTorch would dispatch to Neuron. It does not show what the vendor's compiler accepts or
how it rounds. Where a document says that the device, its runtime or its compiler refuses something, or keeps it
differently, the simulation does so as well: each such behaviour is a *policy*, with a name, a mode and sources.

| mode | means |
|---|---|
| `strict` | raise `porter.simulate.NeuronError`, in the vendor's words where they are known |
| `cast` | keep what the device would keep |
| `off` | do as CPU does |

Policies are switched with `Settings(policies={"float64": "strict"})`, with `PORTER_SIMULATE_POLICIES=float64=strict` in
the environment, or in a running program with `simulation.policies.set(float64="strict")`, and for a while with
`simulation.policies.using(...)`. Flags of the compiler that change a behaviour are read from `NEURON_CC_FLAGS`.

Evidence: A is vendor documentation or code that AWS, Hugging Face or PyTorch ship; B is the source of the native
backend as of April 2026, before its beta; C is a report by others. Where documents contradict one another, the default
is what the newest document of the vendor says.
"""

BOTTOM = """
## Refused without a policy

PyTorch itself refuses these for a device and backend of another name, on Neuron as in the simulation:

- `dist.monitored_barrier()`: gloo only.
- CPU tensors in a process group `neuron`: it serves the device only. `cpu:gloo,neuron:neuron` serves both.
- A `DeviceMesh` on a group that was made with `init_process_group(device_id=...)`: the group would have to be split.
- `torch.cuda`: with the CPU wheel, which the vendor's package needs, `torch.cuda.is_available()` is False and CUDA
  calls raise.
- `tensor.numpy()` of a device tensor.

## What the simulation cannot tell

- Index 0 of the device counts as no index: PyTorch fills it in for `.to("neuron")` before the device is asked. So a
  rank other than 0 that names `neuron:0` is not refused, though it would be on the device.
- `ReduceOp.PREMUL_SUM` works on the device (the backend scales first) and raises here: gloo does not have it.
- Which of these limits 2.33 has lifted where only April's source is known (evidence B).

## Operators that are expected to fall back to CPU

They run, but on the host, with a copy each way: the trace of `porter run` counts them. The list is April's; the
vendor's own table of operators (`docs/torch_api_compatibility.md` in aws-neuron/torch-neuronx) is newer.
"""


def page() -> str:
    """The page as it should be."""
    return "\n".join(_lines()).strip() + "\n"


def _lines() -> Iterator[str]:
    yield TOP.strip()
    yield from (
        "",
        "## The policies",
        "",
        "| policy | default | what the device does | code | evidence |",
        "|---|---|---|---|---|",
    )
    for policy in POLICIES.values():
        cells = (
            f"[`{policy.name}`](#{policy.name})",
            f"`{policy.default}`",
            policy.summary,
            policy.code,
            policy.evidence,
        )
        yield f"| {' | '.join(cell or '' for cell in cells)} |"
    for policy in POLICIES.values():
        yield from ("", f"### {policy.name}", "", policy.summary, "")
        yield f"- Modes: {', '.join(f'`{mode}`' for mode in policy.modes)}; default `{policy.default}`"
        yield f"- Raises: `{f'{policy.code}: ' if policy.code else ''}{policy.message}`"
        if policy.options:
            yield f"- Compiler: {', '.join(f'`{option}` means `{mode}`' for option, mode in policy.options)}"
        yield f"- Sources: {', '.join(policy.sources)} (evidence {policy.evidence})"
        if policy.note:
            yield f"- Note: {policy.note}"
    yield from ("", BOTTOM.strip(), "", "| why | operators | sources | evidence |", "|---|---|---|---|")
    for known, names in _fallbacks().items():
        listed = ", ".join(f"`{name}`" for name in names)
        yield f"| {known.reason} | {listed} | {', '.join(known.sources)} | {known.evidence} |"
    yield from ("", "## Sources", "", "| key | source |", "|---|---|")
    titles = porter.catalog.load().sources
    for key in sorted(used()):
        yield f"| {key} | {titles[key]} |"


def used() -> set[str]:
    """The keys of all sources that policies and fallbacks cite."""
    return {key for entry in (*POLICIES.values(), *FALLBACKS.values()) for key in entry.sources}


def _fallbacks() -> dict[Known, list[str]]:
    table: defaultdict[Known, list[str]] = defaultdict(list)
    for name, known in FALLBACKS.items():
        table[known].append(name)
    return table


if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
