"""What porter says after a program's own traceback: which rule would have kept it from failing."""

from __future__ import annotations

import re
import shlex
import sys
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING

from porter.launch.frames import chain, foremost, in_cuda, shown, stack
from porter.launch.rules import judge
from porter.report.paint import Paint

if TYPE_CHECKING:
    from porter.launch.plan import Plan
    from porter.launch.rules import Opinion

MOST = 3  # findings

# How PyTorch and packages say that there is no CUDA. `tests/launch/test_hint.py` has them all from PyTorch itself.
_ABOUT_CUDA = re.compile(
    r"cuda|nccl|nvidia|nvml|nvtx|cudnn|cublas|triton|active drivers|\bGPUs?\b|dummy base class", re.IGNORECASE
)
# And where they name it without meaning it: among all that there is, or in the path of a file.
_IN_PASSING = re.compile(r'Expected one of .+ device type|is only available for these backends.+|File ".+?"', re.DOTALL)
_CHECKPOINT = "deserialize object on a CUDA device"


def hint(error: BaseException, plan: Plan, *, surely: bool = True) -> Iterator[str]:
    """Lines about what ended the program; none where porter has nothing to say of it.

    Unless it is ``surely`` this error that did, only what is certain about it is told.
    """
    links = list(chain(error))
    if refused := next(filter(None, map(_refused, links)), None):
        yield _refusal(*refused, Paint(plan.color))
        return
    asking = next((link for link in links if asks_for_cuda(link)), None)
    if not (places := foremost(stack(asking or error))):
        return
    where = Paint(plan.color)(f"{shown(places[0].path, plan.here)}:{places[0].line}", "bold")
    if asking:
        yield f"porter: {where} needs CUDA, which a Neuron machine does not have."
        yield from _remedy(str(asking), judge(places, here=plan.here, most=MOST, elsewhere=True), plan)
    elif surely:  # whatever went wrong: only what is to say of the very line
        opinion = judge(places[:1], here=plan.here, most=MOST, elsewhere=False)
        if opinion.findings:
            yield f"porter: {where} failed. This may be why:"
            yield from _rules(opinion, plan)


def asks_for_cuda(error: BaseException) -> bool:
    """Whether an exception is about CUDA: by what it says, or because a part of `torch.cuda` raised it."""
    if isinstance(error, OSError) and error.filename is not None:
        return False
    if _ABOUT_CUDA.search(_IN_PASSING.sub("", str(error))):
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


def _remedy(message: str, opinion: Opinion, plan: Plan) -> Iterator[str]:
    """What to do about a line that needs CUDA."""
    if opinion.exact:
        yield from _rules(opinion, plan)
    elif _CHECKPOINT in message:
        yield 'The checkpoint names the device that it was saved from: pass `map_location="cpu"` to `torch.load`.'
    elif argument := next(filter(_ABOUT_CUDA.search, sys.argv[1:]), None):
        yield f"The command line says `{argument}`: leave that out, or say `neuron`."
    elif opinion.findings:
        yield "This may be where it comes from:"
        yield from _rules(opinion, plan)
    else:
        yield "No line of the program says so: it comes from an argument, a file or the environment."


def _rules(opinion: Opinion, plan: Plan) -> Iterator[str]:
    """The findings, and which commands have to do with them."""
    yield ""
    yield from opinion.render(color=plan.color).rstrip("\n").split("\n")
    yield ""
    if paths := sorted({finding.path for finding in opinion.findings if finding.fix is not None}):
        yield f"`porter rewrite --write {shlex.join(paths)}` makes these changes."
    for code, name in sorted({(finding.code, finding.name) for finding in opinion.findings}):
        yield f"`porter explain {code}` tells about {name}."
