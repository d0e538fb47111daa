"""Functions of the file that stay CUDA's, by their name, by what they move or by who calls them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator

from porter.index.guards import condition
from porter.index.outline import Function, Span, dotted
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Judgement
from porter.rules.kernels.known import STAYS, is_own_kernel
from porter.rules.placement.flags import flag
from porter.rules.placement.reach import arms
from porter.rules.policy import by_hand
from porter.rules.tested import Led, Tests, is_test, opens


def called_behind(tests: Iterable[Site], leads: Callable[[Site, Site], bool], ctx: Context) -> dict[str, int]:
    """The file's functions for CUDA (`swap_weights_cuda` beside `swap_weights`), each with the line of a test that
    ``leads`` to all calls of it.
    """
    calls: dict[str, list[Site]] = {}
    for site in ctx.sites:
        if site.name.startswith(f"{ctx.module}.") and is_own_kernel(site, ctx):
            calls.setdefault(site.name[len(ctx.module) + 1 :], []).append(site)
    return {name: test.line for name, found in calls.items() for test in tests if all(leads(test, s) for s in found)}


def used_behind(tests: Iterable[Site], ctx: Context) -> dict[str, int]:
    """The file's functions that nothing uses but what runs where one of the tests holds, and such functions themselves.

    Each with the line of one of the tests.
    """
    outline = ctx.outline()
    spans = {outline.span(node): test.line for test in tests for node in _ensured(test, ctx)}
    functions = {n.name: n for n in outline.tree.body if isinstance(n, Function) and not n.decorator_list}
    uses: dict[str, list[int]] = {}
    for node in outline.nodes if spans and functions else ():
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in functions:
            place = outline.span(node).start
            if not outline.span(functions[node.id]).holds(place):
                uses.setdefault(node.id, []).append(place)
    uses = {name: places for name, places in uses.items() if not ctx.project.borrowed(f"{ctx.module}.{name}")}
    found: dict[str, int] = {}
    while fresh := {n: line for n in uses.keys() - found.keys() if (line := _line_of_all(uses[n], spans)) is not None}:
        found |= fresh
        spans |= {outline.span(functions[name]): line for name, line in fresh.items()}
    return found


def asked_first(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """A question for the GPU, and then a function that is ported: the test in front of both waits for the answer."""
    tests = filter(is_test, results)
    asking = [r.site for r in results if asks(r)]
    kept = [t for t in tests if t.verdict is Verdict.PORTABLE and any(opens(t.site, site) for site in asking)]
    standing = set(firm([t.site for t in kept], results, ctx))
    kept = [t for t in kept if t.site not in standing]
    edited = {r.site.scope.partition(".")[0] for r in results if r.edited} if kept else set()
    used = used_behind([t.site for t in kept], ctx) if edited else {}
    ported = {line: name for name, line in used.items() if name in edited}

    def held(result: Judgement) -> Judgement:
        name = ported.get(result.site.line) if result in kept else None
        if name is None:
            return result
        return by_hand(
            result, f"it leads to `{name}`, which is ported: answer what is asked before, and port it as well"
        )

    return [held(r) for r in results] if ported else results


def asks(result: Judgement) -> bool:
    """Whether a person is to answer a question for the GPU."""
    return result.rule == "cuda-device-properties" and result.verdict is Verdict.MANUAL


def firm(tests: list[Site], results: list[Judgement], ctx: Context) -> list[Site]:
    """The tests that keep the target out of more than a question, or are of a chain that serves others."""
    around = Tests(tests, ctx)
    asking = {test for r in results if r.rule == "cuda-device-properties" for test in around.opening(r.site)}
    blocked = {test for r in results if r.verdict is Verdict.BLOCKED for test in around.opening(r.site)}
    chained = {test for test in tests if any(guard.kind in ("handled", "vendors") for guard in test.guards)}
    return [test for test in tests if test in chained or test in blocked or test not in asking]


def _ensured(test: Site, ctx: Context) -> Iterator[ast.AST]:
    """What an ``if`` leads to only where the test in it holds: not what an ``or`` leads to as well."""
    match ctx.outline().around(test.start)[-1:]:
        case [ast.If(test=asked)] if (told := condition(asked, dotted)).cuda > 0 or told.otherwise > 0:
            yield from (node for arm in ctx.outline().arms(test.start) for node in arm)


def _line_of_all(places: list[int], spans: dict[Span, int]) -> int | None:
    """The line of the first place's span, if each place has one."""
    lines = [next((line for span, line in spans.items() if span.holds(place)), None) for place in places]
    return None if None in lines else lines[0]


def moving(staying: Iterable[Judgement]) -> dict[str, Judgement]:
    """The functions that still move something to CUDA, whatever is there, each with the last that does."""
    moves = (r for r in staying if r.rule == "cuda-method" and not r.site.guards)
    return {r.site.scope: r for r in moves if r.site.scope}


def moved_behind(test: Site, moving: dict[str, Judgement], ctx: Context) -> Judgement | None:
    """What a function still moves to CUDA that is called where ``test`` holds: ``if there: model = to_gpu(model)``."""
    nodes = (node for arm in (arms(test, ctx) if moving else ()) for node in arm)
    calls = (call for node in nodes for call in ctx.outline().all_of(node, ast.Call))
    return next((moving[name] for call in calls if (name := dotted(call.func)) in moving), None)


def led_first(test: Site, led: Led, ctx: Context) -> Judgement | None:
    """What stays CUDA's of what the name of a test's answer leads to, if nothing else of it is ported.

    Where some is, it is a move in the first branch: what fails there keeps Neuron from all the others.
    """
    outline, name = ctx.outline(), flag(test, ctx)
    if name is None:
        return None
    named = outline.arms_of(name.decode(), test.start, outline.denies(test.start, test.end))
    inside = led.within(outline.span(part) for arm in named for part in arm)
    found = sorted((*inside, *led.flagged(test)), key=lambda result: result.site.start)
    if any(r.edited for r in found):
        found = [r for r in found if r.site.guards[:1] == found[0].site.guards[:1] and r.rule == "cuda-method"]
    return next((r for r in found if r.verdict in STAYS), None)
