"""Attention kernels for CUDA: flash-attn, xFormers, `attn_implementation`.

## What CUDA does

`flash_attn_func` takes (batch, sequence, heads, head size) and computes exact attention without the full matrix.

## On Neuron

`torch.nn.functional.scaled_dot_product_attention` dispatches to a Neuron kernel. Its layout is (batch, heads, sequence,
head size); variable-length calls have no equivalent.

## When porter rewrites

A call of `flash_attn_func`, its packed forms, or xFormers' `memory_efficient_attention`, where PyTorch's attention
means the same: tensors are transposed on the way in and the result on the way back, `causal` and `softmax_scale`
become `is_causal` and `scale`. A mask of flash-attn ends with the last key, `is_causal` begins with the first: they
agree where queries and keys are equally many, and what speaks of a cache stays. xFormers takes three dimensions or
four: porter rewrites where the code that shapes the tensors shows which. Windows, ALiBi, biases, sequences packed by
`cu_seqlens`, and what is imported where the import may fail are left to a person. Once its last use is rewritten, the
import goes. So do calls of diffusers' `enable_xformers_memory_efficient_attention()`: its default is PyTorch's own.
Names change where they choose the implementation of a model, but not where flash attention was asked for, or found.

## Example

```py
from flash_attn import flash_attn_func

out = flash_attn_func(q, k, v, causal=True).reshape(b, s, -1)
```

becomes

```py
import torch

out = torch.nn.functional.scaled_dot_product_attention(
    q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True
).transpose(1, 2).reshape(b, s, -1)
```

and

```py
AutoModel.from_pretrained(name, attn_implementation="flash_attention_2")
```

becomes

```py
AutoModel.from_pretrained(name, attn_implementation="sdpa")
```
"""

from __future__ import annotations

import ast
import re
from itertools import pairwise

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.packages.sdpa import judge_attention
from porter.rules.table import by_hand, judge_by_row, judgement
from porter.rules.uses import is_asked_for, tests_around

_SWITCH = re.compile(r"\.(?:enable_xformers_|set_use_)memory_efficient_attention")
_CHOSEN = re.compile(rb"attn_implementation[\"']?\]?\s*[=:]\s*\Z")
_BEGUN = re.compile(rb"[\"']flash_att\w*[\"'] (?:not )?in\b")
# A function or a name that says whether flash attention is there, or what a configuration asks for.
_FOUND = re.compile(r"(?i)flash_?att\w*(?:avail|request|install)|has_flash")


@rule("PRT704", "attention-implementation")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge calls by the catalogue, and write another implementation where a name chooses one."""
    if is_asked_for(site, ctx):
        return Dismissed(site, "part")
    if row.signature is not None and site.role != "import":
        return judge_attention(site, row, ctx)
    if _SWITCH.search(site.name):
        return _judge_switch(site, row, ctx)
    if site.kind != "string":
        return judge_by_row(site, row, ctx)
    if site.parent == "Compare":
        return Dismissed(site, "agnostic")
    if ctx.in_test():
        return by_hand(site, row, ctx, "a test: what it asserts may depend on the implementation")
    if (asked := _asked(site, ctx)) is not None:
        return by_hand(site, row, ctx, f"{asked} asks for this name: change both together")
    if (why := _idle(site, ctx)) is not None:
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice="left as it is", note=why)
    if not _CHOSEN.search(ctx.source.text[max(0, site.start - 60) : site.start]):
        advice = f"write `{ctx.answer(row).replacement}` if it chooses the implementation of a model"
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, advice=advice)
    if not ctx.edits:
        return judgement(site, row, ctx)
    from porter.rewrite.calls import replace_in_string

    name = ctx.text(site.start, site.end).strip("rbuRBU\"'")
    edits = replace_in_string(ctx.source.text, site.start, site.end, name, ctx.answer(row).replacement)
    return judgement(site, row, ctx, edits=edits)


def _judge_switch(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """A method of diffusers that switches xFormers on. Where the program is asked for it as it runs, that stays."""
    if site.call is None:
        return Dismissed(site, "user-name")  # an option called like the method
    wanted = site.call.arguments[0].literal if site.call.arguments else True
    if wanted is False:
        return Dismissed(site, "agnostic")
    if wanted is not True or any(b"xformers" in test for test in tests_around(site, ctx)):
        advice = "it runs where the program is asked for xFormers: without that, attention is PyTorch's own"
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice=advice)
    return judge_by_row(site, row, ctx)


def _idle(site: Site, ctx: Context) -> str | None:
    """Why a name starts nothing where these kernels are missing, if so: a list has it, or it answers a question."""
    outline = ctx.outline()
    nodes: list[ast.AST] = [*outline.around(site.start), *outline.expressions(site.start, site.end)]
    for node, part in pairwise(nodes):
        inside = part is node.body if isinstance(node, ast.IfExp) else part in getattr(node, "body", ())
        if inside and isinstance(node, ast.If | ast.IfExp) and _FOUND.search(ast.unparse(node.test)):
            return "chosen only where flash attention is found, or asked for"
    return "a name in a list or a table runs only where it is asked for" if _is_listed(nodes[-2:], site, ctx) else None


def _is_listed(nodes: list[ast.AST], site: Site, ctx: Context) -> bool:
    """Whether a name is one of a set of names, or a key of a table, that the program does not go through."""
    match nodes:
        case [ast.Dict(keys=keys), ast.Constant() as key]:
            return key in keys
        case [ast.List() | ast.Set() | ast.Tuple() as names, ast.Constant()]:
            pass
        case _:
            return False
    match ctx.outline().around(site.start)[-1:]:
        case [ast.Assign(targets=[ast.Name(id=name)], value=value)] | [ast.AnnAssign(ast.Name(id=name), value=value)]:
            loops = (n.iter for n in ctx.outline().nodes if isinstance(n, ast.For | ast.comprehension))
            return value is names and name not in {n.id for n in loops if isinstance(n, ast.Name)}
    return False


def _asked(site: Site, ctx: Context) -> str | None:
    """Where the file asks for the name that a statement sets, or before it for the beginning of that name.

    `config._attn_implementation == "flash_attention_2"`; `"flash_attention" not in name`.
    """
    if site.statement is None or site.statement.kind not in ("Assign", "AnnAssign") or not site.statement.alone:
        return None
    compared = next((s for s in ctx.where("name", site.name) if s.parent == "Compare"), None)
    if compared is not None:
        return f"line {compared.line}"
    return "the test before it" if any(_BEGUN.search(test) for test in tests_around(site, ctx)) else None
