"""Attention kernels of other packages as `scaled_dot_product_attention`: layout, causal mask, scale, dropout.

flash-attn and xFormers take (batch, sequence, heads, head size), PyTorch (batch, heads, sequence, head size): tensors
are transposed on the way in, and what comes out on the way back. xFormers takes three dimensions too, without heads,
and then nothing is transposed.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from porter.catalog.schema import Row
from porter.index.site import Argument, Call, Site
from porter.rules.base import Context, Edits, Judgement, TextEdit, named
from porter.rules.counterpart import Lost, arguments, translate
from porter.rules.packages.ranks import rank
from porter.rules.table import by_hand, judgement
from porter.rules.uses import function_around, may_be_missing, rest_of_function

if TYPE_CHECKING:
    from porter.rewrite.calls import CallEditor

_LONGEST = 110  # characters: lines of programs are seldom longer
_TENSORS = ("q", "k", "v", "query", "key", "value")
_PACKED = ("qkv", "kv")
_SWAP = ".transpose(1, 2)"
_SWAPPED = re.compile(rb"\s*\.\s*transpose\(\s*(?:1\s*,\s*2|2\s*,\s*1)\s*,?\s*\)")
_CACHE = re.compile(
    rb"past_key|past_kv|layer_past|kv_?cache|inference_params|use_cache|start_pos|\bcache_[kv]\b|[kv]_cache\b"
)
_ALIGNED = (
    "with keys of a cache, the causal mask ends with the last key, while `is_causal` begins with the first: pass"
    " `attn_mask=torch.nn.attention.bias.causal_lower_right(q_length, k_length)`"
)
_FEWER_HEADS = re.compile(rb"num_key_value_heads|n(?:um|_local)?_kv_heads?|kv_heads|n(?:um)?_query_groups|multi_query")
_REPEATED = re.compile(rb"repeat_kv\(|repeat_interleave\(")
_ANY_STRIDE = re.compile(rb"\s*\.\s*(?:reshape|flatten|contiguous)\(")
_ANY_ORDER = re.compile(rb"rearrange\(\s*\Z")
_TIGHT = (ast.Name, ast.Attribute, ast.Call, ast.Subscript)  # what an attribute can follow without parentheses
_BOUND = re.compile(rb"(\w+)\s*=\s*\Z")


def judge_attention(site: Site, row: Row, ctx: Context) -> Judgement:
    """A call of a kernel whose row has a signature, as a call of PyTorch's where that means the same."""
    assert row.signature is not None
    if may_be_missing(site, ctx):
        return by_hand(site, row, ctx, "its import may fail: porter does not see whether this still runs then")
    if site.call is None:
        return by_hand(site, row, ctx, "not called here: porter does not see its arguments")
    if not ctx.edits:
        return judgement(site, row, ctx)
    try:
        edits = _rewritten(site, site.call, row, ctx)
    except Lost as reason:
        return by_hand(site, row, ctx, str(reason))
    return judgement(site, row, ctx, edits=edits)


def _rewritten(site: Site, call: Call, row: Row, ctx: Context) -> Edits | None:
    """The edits of the call, on lines of its own where one gets too long. Raises Lost."""
    assert row.signature is not None
    given = arguments(call, row.signature)
    has_heads = _has_heads(site, given, ctx)
    _refuse_cache(site, given, ctx)
    name, editor = translate(call, ctx.answer(row).replacement, row.signature, ctx)
    for parameter, argument in given.items():
        if parameter in _PACKED:
            _unpack(argument, editor, ctx)
        elif parameter in _TENSORS and has_heads:
            _swap(argument, editor, ctx)
    if _shares_heads(site, given, ctx):
        editor.append("enable_gqa=True")
    back = (_back(site, call, ctx),) if has_heads else ()
    outer = (TextEdit(site.start, site.end, named(name)), *back)
    edits = editor.edits()
    if edits is not None and _grows_long(call, (*edits, *outer), ctx):
        edits = editor.spread().edits()
    return None if edits is None else tuple(sorted([*outer, *edits]))


def _grows_long(call: Call, edits: Edits, ctx: Context) -> bool:
    """Whether the edits make a call that stands on one line too long for it."""
    text = ctx.source.text
    line = text.rfind(b"\n", 0, call.start) + 1, text.find(b"\n", call.end) % (len(text) + 1)
    length = line[1] - line[0] + sum(len(edit.text) - (edit.end - edit.start) for edit in edits)
    return length > _LONGEST and b"\n" not in text[call.start : call.end]


def _has_heads(site: Site, given: dict[str, Argument], ctx: Context) -> bool:
    """Whether the tensors have a dimension of heads, as flash-attn's always have. Raises Lost."""
    if "query" not in given:
        return True
    query = given["query"]
    text = ctx.text(query.start, query.end)
    found = rank(text, site.start, ctx) if text.isidentifier() else None
    if found not in (3, 4):
        raise Lost("porter does not see whether its tensors have three dimensions or four")
    return found == 4


def _refuse_cache(site: Site, given: dict[str, Argument], ctx: Context) -> None:
    """A causal mask over keys of a cache is aligned to the last key here, to the first key there. Raises Lost."""
    causal = given.get("causal")
    if causal is None or causal.literal is False:
        return
    if _CACHE.search(function_around(site, ctx)):
        raise Lost(_ALIGNED)


def _shares_heads(site: Site, given: dict[str, Argument], ctx: Context) -> bool:
    """Whether several query heads share one of keys and values, as far as names tell; saying so does no harm."""
    fewer = "qkv" not in given and ctx.says(_FEWER_HEADS)
    function = ctx.outline().function(site.start)
    start = ctx.outline().span(function).start if function is not None else 0
    return fewer and _REPEATED.search(ctx.source.text, start, site.start) is None


def _swap(argument: Argument, editor: CallEditor, ctx: Context) -> None:
    """Swap sequence and heads of a tensor, or take back the swap that it ends with."""
    node = _expression(argument, ctx)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "transpose":
        text = ctx.source.text[argument.start : argument.end]
        swaps = [m for m in _SWAPPED.finditer(text) if m.end() == len(text)]
        if swaps:
            editor.cut(argument.start + swaps[-1].start(), argument.end)
            return
    editor.wrap(argument, "" if isinstance(node, _TIGHT) else "(", _SWAP if isinstance(node, _TIGHT) else f"){_SWAP}")


def _unpack(argument: Argument, editor: CallEditor, ctx: Context) -> None:
    """``qkv`` of (batch, sequence, 3, heads, head size) as its parts, each (batch, heads, sequence, head size)."""
    if argument.keyword is not None:
        raise Lost(f"write `*{argument.keyword}.transpose(1, 3).unbind(2)` before the arguments that have names")
    tight = isinstance(_expression(argument, ctx), _TIGHT)
    editor.wrap(argument, "*" if tight else "*(", f"{'' if tight else ')'}.transpose(1, 3).unbind(2)")


def _expression(argument: Argument, ctx: Context) -> ast.expr:
    return ast.parse(f"({ctx.text(argument.start, argument.end)})", mode="eval").body


def _back(site: Site, call: Call, ctx: Context) -> TextEdit:
    """Swap heads and sequence of what comes out, or take back the swap that follows."""
    text = ctx.source.text
    follows = _SWAPPED.match(text, call.end)
    if follows is not None:
        return TextEdit(follows.start(), follows.end(), "")
    return TextEdit(call.end, call.end, _SWAP if _takes_any_stride(site, call, ctx) else f"{_SWAP}.contiguous()")


def _takes_any_stride(site: Site, call: Call, ctx: Context) -> bool:
    """Whether all that is done with the result works on a transposed tensor; a `.view()` does not."""
    text = ctx.source.text
    if _ANY_STRIDE.match(text, call.end) or _ANY_ORDER.search(text, max(0, call.start - 60), call.start):
        return True
    bound = _BOUND.search(text, max(0, call.start - 200), call.start)
    if bound is None or site.statement is None or site.statement.end != call.end:
        return False
    rest = rest_of_function(site, ctx)
    use = re.search(rb"(?<![\w.])" + bound[1] + rb"\b(?!\s*=[^=])", rest)
    return use is not None and bool(_ANY_STRIDE.match(rest, use.end()) or _ANY_ORDER.search(rest[: use.start()]))
