"""Environment variables of CUDA, cuDNN, cuBLAS, NCCL and PyTorch's CUDA backend, in Python, scripts and configurations.

## What CUDA does

The driver, the libraries and PyTorch read their settings from the environment: which devices a process sees
(`CUDA_VISIBLE_DEVICES`), whether launches block (`CUDA_LAUNCH_BLOCKING`), how memory is cut
(`PYTORCH_CUDA_ALLOC_CONF`), which network NCCL takes (`NCCL_SOCKET_IFNAME`).

## On Neuron

Nobody reads them, so that a setting silently has no effect: a process that was told to take one device takes all.
`NEURON_RT_VISIBLE_CORES` chooses the logical cores (`0-3`); the `neuron` process group sets it for every rank.
`NEURON_LAUNCH_BLOCKING=1` makes execution synchronous. `NCCL_DEBUG` is honoured by Neuron's collectives.

## Example

```py
os.environ["CUDA_LAUNCH_BLOCKING"] = "1"
```

becomes `os.environ["NEURON_LAUNCH_BLOCKING"] = "1"`. In a script, what sets the variable and what reads it change
together.

Code that takes a list of GPUs apart (`.split(",")`, `int(...)`) expects numbers between commas, and cores may be
ranges: it stays, with all that the file says of the variable. So does a test that sets it for what it tests, and a
variable in one block with that of another vendor (`ASCEND_LAUNCH_BLOCKING`): Neuron's belongs beside them. Where a
function sets `CUDA_LAUNCH_BLOCKING` with `CUBLAS_WORKSPACE_CONFIG`, both make CUDA deterministic, and stay.

## What to do

Check the value of what was renamed: a list of GPUs is not a list of cores. Delete variables without a counterpart, or
keep them where the same script still starts CUDA jobs.
"""

from __future__ import annotations

import re

import msgspec

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rewrite.calls import replace_in_string
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.environment.vendors import beside, for_determinism
from porter.rules.environment.write import in_python, named, write
from porter.rules.placement.flags import flag
from porter.rules.table import action_of, by_hand, judgement
from porter.rules.uses import before, function_around

# What follows the name where the variable is set to no device at all.
_READS = re.compile(rb"get(?:env)?\(\s*\Z")
_HIDES_ALL = re.compile(rb"""\s*(?:\]\s*)?[=,:]\s*(['"])(?:-1)?\1""")
_SET_TO_NONE = re.compile(
    rb"""=(["']?)(?:-1)?\1(?=[\s;&#,})]|\Z)"""  # in a shell
    rb"""|["']?(?:[ \t]*:|[ \t]+[:?]?=)[ \t]*(["']?)(?:-1)?\2[ \t]*(?=[\r\n#,}]|\Z)"""
)
_READ = re.compile(rb"(?:get(?:env)?\(|pop\(|\[)\s*\Z")
_STORE = re.compile(rb"\s*\]\s*=(?!=)")
_APART = rb"\.(?:r?split|replace|r?partition|strip|isdigit|isnumeric|count)\("
_TAKEN = re.compile(_APART + rb"|\]\s*\[")
_COUNTED = re.compile(rb"\b(?:int|len|map|literal_eval)\([^()]*(?:os\.)?(?:environ|getenv)[\w.]*[(\[]\s*\Z")
_PATCHED = re.compile(rb"\b(?:setenv|delenv)\(\s*\Z|patch\.dict\([^)]*\Z")
_RANGES = (
    "takes the list apart, where cores may be a range (`0-3`): port it first, and all that sets the variable with it"
)
_TAKES_OPTION = re.compile(rb"[\"']\s*\]\s*=\s*(?:str\()?\w+\.(\w+)\)?\s*(?:#|\n|;|\Z)")
_NONE = rb"[\"']--?%b[\"'][^)]*\bdefault\s*=\s*[\"']?-1\b"
_NO_DEVICE = "the option's default `-1` is no device of CUDA's, and no core: leave the variable alone where it is given"
_SET_BACK = (
    rb"(?s)(\w+)\s*=\s*os\.(?:getenv\(|environ(?:\.get\(|\[))\s*[\"']%b[\"']"
    rb".*\bos\.environ\[[\"']%b[\"']\]\s*=\s*\1\b"
)
_STARTS = re.compile(rb"\b(?:subprocess|Popen|Process|spawn|fork|system)\b|\.start\(")
_BETWEEN = (
    "it is set for what runs before it is set back, in a process whose PyTorch has its device: say which device that is"
    " to take, and leave PyTorch's alone"
)
_HIDDEN = "it is set so that the process sees no GPU: to keep a program off Neuron, do not ask for the device"
_LAUNCHER = re.compile(
    rb"\b(?:torchrun|accelerate\s+launch|deepspeed|mpirun|mpiexec|horovodrun|srun|torch\.distributed\.\w+)\b"
)
_LAUNCHERS = ("torchrun", "python -m torch.distributed", "accelerate launch", "deepspeed", "horovodrun")
_LAUNCHED = (
    "a launcher gives every process a core of its own, unless this is set: delete it where one starts the program"
)


@rule("PRT801", "cuda-environment-variable")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Rename the variable, or delete it with what sets it; what sets and what reads it change together."""
    answer = ctx.answer(row)
    if not in_python(site, ctx):
        loads = (s for s in ctx.where("name", site.name) if s.kind == site.kind and s.role == "load")
        read = next((s for s in loads if s.statement != site.statement), None)  # what has itself as default goes whole
        why = _stays(site, answer.replacement, ctx)
        if why == _HIDDEN:
            return judgement(site, row, ctx, verdict=Verdict.MANUAL, advice=why, note=None)
        if read is not None and answer.action == "delete":
            why = f"line {read.line} reads it: change both together"
        result = write(site, row, ctx, named, why=why)
        return msgspec.structs.replace(result, group=site.name) if read and isinstance(result, Judgement) else result
    if answer.verdict not in (Verdict.AUTO, Verdict.REVIEW) or not ctx.edits:
        return judgement(site, row, ctx)
    if action_of(answer) == "delete":
        return by_hand(site, row, ctx)
    text = ctx.source.text
    if _HIDES_ALL.match(text, site.end) and not _READS.search(text, max(0, site.start - 12), site.start):
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, advice=_HIDDEN, note=None)
    if answer.replacement.endswith("_VISIBLE_CORES"):
        option = _TAKES_OPTION.match(text, site.end - 1)
        if option is not None and re.search(_NONE % option[1], text):
            return by_hand(site, row, ctx, _NO_DEVICE)
        if (line := next((s.line for s in ctx.sites if _alike(s, site) and takes_apart(s, ctx)), None)) is not None:
            where = "this" if line == site.line else f"line {line}"
            return by_hand(site, row, ctx, f"{where} {_RANGES}")
        if _is_set_back(site, ctx):
            return judgement(site, row, ctx, verdict=Verdict.MANUAL, advice=_BETWEEN, note=None)
        if ctx.in_test() and _PATCHED.search(before(site, ctx)):
            return by_hand(site, row, ctx, "a test sets it for what it tests: change both together")
    others = (beside(s, answer.replacement, ctx) for s in ctx.sites if _alike(s, site))
    if (other := next(filter(None, others), None)) is not None:
        return _one_of_several(site, row, ctx, other)
    if (name := for_determinism(site, ctx)) is not None:
        advice = f"left as it is: with `{name}` it makes CUDA deterministic"
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice=advice)
    edits = replace_in_string(text, site.start, site.end, site.name, answer.replacement)
    return judgement(site, row, ctx, edits=edits)


def _one_of_several(site: Site, row: Row, ctx: Context, other: str) -> Judgement:
    """CUDA's of a row of variables, one for each vendor: Neuron's stands in it, or is to."""
    own = ctx.answer(row).replacement
    if other == own:
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice=f"`{own}` stands beside it")
    return by_hand(site, row, ctx, f"it belongs beside `{other}`: leave CUDA's")


def _is_set_back(site: Site, ctx: Context) -> bool:
    """Whether a function keeps the variable's value and sets it back, and starts no process that reads it meanwhile."""
    name = re.escape(site.name.encode())
    around = function_around(site, ctx) if site.scope else b""
    return re.search(_SET_BACK % (name, name), around) is not None and _STARTS.search(around) is None


def _alike(site: Site, other: Site) -> bool:
    return site.kind == other.kind and site.name == other.name


def is_read(site: Site, ctx: Context) -> bool:
    """Whether the program reads the variable at a site."""
    return _READ.search(before(site, ctx)) is not None and _STORE.match(ctx.source.text, site.end) is None


def takes_apart(site: Site, ctx: Context) -> bool:
    """Whether the program reads the variable at a site, and looks for numbers in it."""
    text, statement = ctx.source.text, site.statement
    if statement is None or not is_read(site, ctx):
        return False
    if _TAKEN.search(text, site.end, statement.end) or _COUNTED.search(text, statement.start, site.start):
        return True
    name = flag(site, ctx)
    if name is None:
        return False
    used = re.compile(
        rb"(?<![\w.])%b(?:%b|\s*\[)|\b(?:int|len|literal_eval|map)\((?:\w+,\s*)?%b\b"
        % (re.escape(name), _APART, re.escape(name))
    )
    return used.search(function_around(site, ctx)) is not None


def _stays(site: Site, replacement: str, ctx: Context) -> str:
    """Why a variable that chooses devices cannot be renamed as it is set here."""
    if not replacement.endswith("_VISIBLE_CORES") or site.role != "store":
        return ""
    text, statement = ctx.source.shown, site.statement
    if _SET_TO_NONE.match(text, text.find(site.name.encode(), site.start) + len(site.name)):
        return _HIDDEN
    if statement is not None and statement.siblings > 1 and statement.start == site.start:  # for this command alone
        return _LAUNCHED if _LAUNCHER.search(text[statement.start : statement.end]) else ""
    launches = any(s.kind == "command" and s.name.startswith(_LAUNCHERS) for s in ctx.sites)
    return _LAUNCHED if launches else ""
