"""What porter says after a program's own traceback: which rule would have kept it from failing."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING

from porter.launch.frames import Place, chain, foremost, in_cuda, shown, stack
from porter.launch.rules import judge
from porter.report.paint import Paint

if TYPE_CHECKING:
    from porter.launch.plan import Plan
    from porter.launch.rules import Opinion

MOST = 3  # findings

# How PyTorch and packages say that there is no CUDA. `tests/launch/test_hint.py` has them all from PyTorch itself.
_ABOUT_CUDA = re.compile(r"cuda|nccl|nvidia|nvml|nvtx|cudnn|cublas|triton|\bGPUs?\b|dummy base class", re.IGNORECASE)


def hint(error: BaseException, plan: Plan) -> Iterator[str]:
    """Lines about what ended the program; none where porter has nothing to say of it."""
    links = list(chain(error))
    if refused := next(filter(None, map(_refused, links)), None):
        yield _refusal(*refused, Paint(plan.color))
        return
    asking = next((link for link in links if asks_for_cuda(link)), None)
    if places := foremost(stack(asking or error)):
        if asking:
            opinion = judge(places, here=plan.here, most=MOST, elsewhere=True)
        else:  # whatever went wrong: only what is to say of the very line
            opinion = judge(places[:1], here=plan.here, most=MOST, elsewhere=False)
        if asking or opinion.findings:
            yield from _advice(places[0], bool(asking), opinion, plan)


def asks_for_cuda(error: BaseException) -> bool:
    """Whether an exception is about CUDA: by what it says, or because a part of `torch.cuda` raised it."""
    if _ABOUT_CUDA.search(str(error)):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and in_cuda(frames[-1].filename)


def _refused(error: BaseException) -> tuple[str, str] | None:
    """The policy that an exception comes from, and its source; of a worker's, only the text is left."""
    if (errors := sys.modules.get("porter.simulate.errors")) is None:
        return None
    if isinstance(error, errors.NeuronError):
        return error.policy, error.source
    _, found, message = str(error).partition("porter.simulate.errors.NeuronError: ")
    if found:
        from porter.simulate.policies import POLICIES

        for policy in POLICIES.values():
            if (beginning := policy.message.partition("{")[0]) and beginning in message:
                return policy.name, ", ".join(policy.sources)
    return None


def _refusal(policy: str, source: str, paint: Paint) -> str:
    return (
        f"porter: Neuron would refuse this, by policy {paint(policy, 'bold')} (source: {source}). "
        f"`porter run --policy {policy}=off` runs on without it."
    )


def _advice(place: Place, asks: bool, opinion: Opinion, plan: Plan) -> Iterator[str]:
    paint = Paint(plan.color)
    where = paint(f"{shown(place.path, plan.here)}:{place.line}", "bold")
    findings = opinion.findings
    if not asks:
        yield f"porter: this may be why {where} failed:"
    else:
        origin = " This may be where it comes from:" if findings and not opinion.exact else ""
        yield f"porter: {where} needs CUDA, which a Neuron machine does not have.{origin}"
    yield ""
    if not findings:
        yield _unknown_origin()
        return
    yield from opinion.render(color=plan.color).rstrip("\n").split("\n")
    yield ""
    if paths := sorted({finding.path for finding in findings if finding.fix is not None}):
        yield f"`porter rewrite --write {' '.join(paths)}` makes these changes."
    for code, name in sorted({(finding.code, finding.name) for finding in findings}):
        yield f"`porter explain {code}` tells about {name}."


def _unknown_origin() -> str:
    """What to say where no rule knows the line: it got the device's name from elsewhere."""
    for argument in sys.argv[1:]:
        if _ABOUT_CUDA.search(argument):
            return f"The command line says `{argument}`: leave that out, or say `neuron`."
    return "porter finds no CUDA use there: the name comes from an argument, a file, a checkpoint or the environment."
