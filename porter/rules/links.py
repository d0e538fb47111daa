"""Judgements of one file that hang together: what stays CUDA keeps what belongs to it.

A test that stays keeps what runs only where it holds; a call that stays keeps its arguments; a literal that stays keeps
the tests of its value. Half a change is worse than none: the program would take CUDA's branch with Neuron's names, or
the other way round.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from porter.index.facts import PYTHON
from porter.index.nesting import Nesting
from porter.index.outline import Span, dotted
from porter.index.site import Site, Statement
from porter.model import Verdict
from porter.rules.around import gated, surrounded
from porter.rules.around.tests import helpers_behind
from porter.rules.asked import ASKING, only_asked
from porter.rules.barriers import barriers, judges_backend
from porter.rules.base import Context, Judgement
from porter.rules.by_name import OWN_CLASS
from porter.rules.callers import asked_first, asks, called_behind, firm, led_first, moved_behind, moving, used_behind
from porter.rules.conjuncts import conjuncts
from porter.rules.kernels.known import STAYS
from porter.rules.listed import annotated, listed
from porter.rules.loops import loops
from porter.rules.made import made_behind
from porter.rules.members import members
from porter.rules.placement.assertions import asserted_for
from porter.rules.placement.behind import places
from porter.rules.placement.flags import flag, statement_of
from porter.rules.placement.reach import arms, leads_to
from porter.rules.policy import by_hand, leave
from porter.rules.precision.apex import all_or_none
from porter.rules.precision.gates import gates
from porter.rules.states import states
from porter.rules.takers import owned
from porter.rules.tested import ARMS, BUILD, OPENED, TESTS, Led, Tests, is_test, opens, opens_by_flag

_ENABLED = frozenset({"cuda-autocast", "grad-scaler"})
_NAME = re.compile(rb"[A-Za-z_]\w*")
# Of these a person decides nothing where the target does not come.
_CHOICES = frozenset({"cuda-stream", "framework-argument", "cuda-only-package"})
_HEADERS = frozenset({"If", "While", "Assert"})


def link(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """Take back edits that would leave their other half behind."""
    if ctx.source.kind not in PYTHON:
        return members(results)
    for hold in (
        annotated,
        listed,
        _arguments,
        conjuncts,
        barriers,
        surrounded,
        _comparisons,
        owned,
        loops,
        _refusals,
        _tests,
        made_behind,
        asked_first,
        _conditions,
        gated,
        _bodies,
        _orphans,
        states,
        _bodies,
        _called,
        all_or_none,
        gates,
    ):
        results = hold(results, ctx)
    return results


def _arguments(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """``torch.cuda.get_device_capability("cuda")``: what is CUDA's in a call that stays, its device above all."""
    calls = [
        r
        for r in results
        if not r.edited
        and r.site.call is not None
        and r.verdict is not Verdict.PORTABLE
        and (r.site.name.startswith("torch.cuda.") or r.rule in ("device-generator", "cuda-method"))
    ]
    tests = [r.site for r in results if r.rule in TESTS and not r.edited]
    taking, asking = _taking(calls), Nesting(tests)

    def held(result: Judgement) -> Judgement:
        site = result.site
        if not result.edited or not (site.kind == "device" or site.name.startswith("torch.cuda.")):
            return result
        given = asking.within(site.call.start, site.call.end) if result.rule in _ENABLED and site.call else []
        if given:
            return by_hand(result, f"the test in line {given[0].line}, which turns it on, stays: port both together")
        call = taking(site) or _reader(site, calls, ctx)
        if call is not None:
            return by_hand(result, f"it goes with `{call.site.name}` in line {call.site.line}, which stays")
        return result

    return [held(r) for r in results] if calls or tests else results


def _taking(calls: list[Judgement]) -> Callable[[Site], Judgement | None]:
    """What tells the first of the calls that a string is an argument of, or in which it stands beside a generator."""
    spans: dict[Span, int] = {}
    statements: dict[Statement, int] = {}
    for number, made in enumerate(calls):
        if made.site.call is not None:
            spans.setdefault(Span(made.site.call.start, made.site.call.end), number)
        if made.rule == "device-generator" and made.site.statement is not None:
            statements.setdefault(made.site.statement, number)
    places = Nesting(spans)

    def first(site: Site) -> Judgement | None:
        found = [spans[place] for place in places.around(site)]
        if site.statement in statements and site.use in ("argument", "keyword"):
            found.append(statements[site.statement])
        return calls[min(found)] if found else None

    return first


def _reader(site: Site, calls: list[Judgement], ctx: Context) -> Judgement | None:
    """The first of the calls that alone read a device: ``device = torch.device("cuda:0"); set_device(device)``."""
    outline = ctx.outline()
    match outline.around(site.start)[-1:] if calls and site.kind == "device" and site.scope else []:
        case [ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(args=[literal]) | literal)]:
            home = outline.home(name, site.start) if outline.span(literal).start == site.start else None
        case _:
            return None
    if home is None:
        return None
    uses = (n for n in ast.walk(home) if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load))
    places = [outline.span(use).start for use in uses]
    spans = [(Span(c.site.call.start, c.site.call.end), c) for c in calls if c.site.call is not None]
    readers = [next((call for span, call in spans if span.holds(place)), None) for place in places]
    return readers[0] if all(readers) and readers else None


def _comparisons(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """Literals and the tests of their values: where one literal stays, so do its tests and their other literals."""
    meetings = _meetings(results, ctx)
    held = {i for literals in meetings.values() for i in literals if not results[i].edited}
    refused = {i: results[t].site for t, found in meetings.items() if _refuses(results[t], ctx) for i in found}
    held |= refused.keys()
    starts: dict[int, Site] = dict(refused)  # what is taken back, and where that starts
    while True:
        fresh: dict[int, Site] = {}
        for test, literals in meetings.items():
            kept = next((i for i in literals if i in held), None)
            if kept is not None:
                fresh.update((i, results[kept].site) for i in (test, *literals) if i not in held)
        if not fresh:
            break
        starts.update(fresh)
        held.update(fresh)
    return [by_hand(r, _bound_to(starts[i], ctx)) if i in starts and r.edited else r for i, r in enumerate(results)]


def _bound_to(kept: Site, ctx: Context) -> str:
    """What to do about a literal or a test whose other half stays."""
    if any(guard.kind in ("vendors", "handled") for guard in kept.guards):
        return f"line {kept.line} is CUDA's arm, and stays: say whether this is for {ctx.target.title} as well"
    return f"line {kept.line} belongs to it, and stays: change them together"


def _meetings(results: list[Judgement], ctx: Context) -> dict[int, list[int]]:
    """For each test of a device or backend, by index, the literals whose value it may test."""
    values = [(i, r.site) for i, r in enumerate(results) if r.site.kind in ("device", "backend")]
    literals = [(i, site.kind, _home(site, ctx)) for i, site in values if site.use != "compare"]
    compared = ((i, r) for i, r in enumerate(results) if r.site.use == "compare")
    tests = [i for i, r in compared if r.verdict is not Verdict.PORTABLE or _refuses(r, ctx)]
    found: dict[int, list[int]] = {}
    for test in tests:
        site = results[test].site
        found[test] = [
            i for i, kind, home in literals if kind == site.kind and ctx.project.feeds(home, site.place, ctx.module)
        ]
    return found


def _home(site: Site, ctx: Context) -> str | None:
    """Where a literal lives, or the device that is made of it and named: ``self.device = torch.device("cuda:1")``."""
    name = flag(site, ctx) if site.place is None and site.detail == "`torch.device()`" else None
    if name is None:
        return site.place
    owner, _, attribute = name.decode().rpartition(".")
    if owner not in ("", "self"):
        return None
    scope = site.scope.rpartition(".")[0] if owner else site.scope
    return f"{'a' if owner else 'v'}:{'.'.join(filter(None, (ctx.module, scope, attribute)))}"


def _orphans(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """Tests of a variable of the file that is CUDA's device, and stays: what functions are given, others know."""
    meetings = _meetings(results, ctx)
    stay = {i for i, r in enumerate(results) if not r.edited and not r.site.scope}
    alone = {test for test, found in meetings.items() if found and stay.issuperset(found)}
    why = "the device that it tests stays: change them together"
    return [by_hand(r, why) if i in alone and r.edited else r for i, r in enumerate(results)]


def _refuses(test: Judgement, ctx: Context) -> bool:
    """Whether a test that stays raises for every device but CUDA."""
    statement = test.site.statement
    return not test.edited and statement is not None and ctx.source.text.startswith(b"raise", statement.end)


def _refusals(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """Tests that lead to what refuses every device but CUDA, and goes on doing so: ``Attention.apply(k, v)``."""
    refusing: dict[str, int] = {}
    for test in (r for r in results if is_test(r) and r.verdict is Verdict.PORTABLE and _refuses(r, ctx)):
        home, _, method = test.site.scope.rpartition(".")
        calls = {"forward": f"{home}.apply", "__init__": home}  # what calls a method under another name
        refusing = dict.fromkeys((test.site.scope, calls.get(method, test.site.scope)), test.site.line) | refusing

    def held(result: Judgement) -> Judgement:
        if not (is_test(result) and result.edited):
            return result
        paths = arms(result.site, ctx)
        nodes = (node for arm in paths for part in arm for node in ast.walk(part))
        names = (dotted(node.func) for node in nodes if isinstance(node, ast.Call))
        name = next((name for name in names if name in refusing), None)
        if name is None:
            return result
        return leave(result, f"left as it is: it leads to `{name}`, where line {refusing[name]} refuses all but CUDA")

    return [held(r) for r in results] if refusing else results


def _tests(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """Tests that would lead Neuron to what stays CUDA: without them the program goes another way, and works."""
    kept = Tests((r.site for r in results if not r.edited and is_test(r) and r.verdict is Verdict.PORTABLE), ctx)
    staying = [r for r in results if not r.edited and r.verdict in STAYS and not kept.opening(r.site)]
    staying = [r for r in staying if r.rule != "cuda-out-of-memory"]  # which is looked for on any device
    if not staying:
        return results
    tests = Tests((r.site for r in results if r.edited and (is_test(r) or judges_backend(r))), ctx)
    stays, led, moves = Led(staying, tests, ctx), Led(results, tests, ctx), moving(staying)

    def behind_of(test: Site, of_backend: bool) -> Iterator[Judgement]:
        yield from _behind(test, of_backend, stays, ctx)
        if (moved := moved_behind(test, moves, ctx)) is not None:
            yield moved
        if (first := led_first(test, led, ctx)) is not None:
            yield first
        blocked = (s for s in staying if s.verdict is Verdict.BLOCKED and OWN_CLASS.match(s.site.scope))
        yield from (s for s in blocked if _makes(s.site.scope.partition(".")[0], test, ctx))

    def held(result: Judgement) -> Judgement:
        of_backend = judges_backend(result) if ctx.target.keeps_cuda else _leads_nowhere(result, results, ctx)
        if not (is_test(result) or of_backend) or not result.edited:
            return result
        behind = next(behind_of(result.site, of_backend), None)
        if behind is None:
            return result
        where = f"line {behind.site.line}" if behind.site.line != result.site.line else f"`{behind.site.name}`"
        return by_hand(result, f"it leads to {where}, which stays CUDA: port both together")

    return [held(r) for r in results]


def _behind(test: Site, of_backend: bool, stays: Led, ctx: Context) -> Iterator[Judgement]:
    """What of a file that stays CUDA a test leads to: what is nearest first."""
    yield from stays.opened(test)
    yield from (s for s in stays.within(_body(test, ctx)) if places(s.site, ctx))
    spans = [ctx.outline().span(node) for arm in arms(test, ctx) for node in arm]
    if of_backend:
        yield from stays.within(spans)
    if ctx.in_test() and test.parent == "Assign":
        yield from (s for s in stays if s.site.kind == "device" and _mentions(test, s.site, ctx))
    if ctx.in_test():
        yield from stays.within(helpers_behind(test, ctx))
    if ctx.target.keeps_cuda:
        yield from stays.flagged(test)
    yield from (s for s in stays.within(spans) if s.site.kind == "device" and s.site.parent == "IfExp")
    if (next_to := asserted_for(test, ctx)) is not None:
        yield from stays.within([next_to])


def _body(test: Site, ctx: Context) -> list[Span]:
    """What an ``if`` does that asks: also of what is not there yet, ``if not x.is_cuda: x = x.cuda()``."""
    match ctx.outline().around(test.start)[-1:]:
        case [ast.If(body=body)]:
            return [ctx.outline().span(statement) for statement in body]
    return []


def _leads_nowhere(result: Judgement, results: list[Judgement], ctx: Context) -> bool:
    """Whether a test of the backend decides about what uses CUDA, and none of that is edited."""
    if not (result.edited and judges_backend(result)):
        return False
    led = [r for r in results if leads_to(result.site, r.site, ctx) and r.verdict is not Verdict.PORTABLE]
    return bool(led) and not any(r.edited for r in led)


def _conditions(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """``device_count() > 0 and is_available()``: parts of one condition change together, or stay."""
    tests = {
        r.site.statement.start: r
        for r in results
        if r.rule in TESTS and not r.edited and r.site.statement is not None and r.site.statement.kind in _HEADERS
    }

    stay = (r.site for r in results if r.site.name == "cuda:{}" and not r.edited and r.verdict in STAYS)
    numbered = next((site for site in stay if site.kind == "device" and site.use != "compare"), None)
    counted = {
        n: t for t in tests.values() if t.verdict is Verdict.MANUAL for n in _NAME.findall(statement_of(t.site, ctx))
    }

    def held(result: Judgement) -> Judgement:
        if result.edited and result.site.name == "torch.cuda.device_count":
            if numbered is not None and result.site.parent == "Assign":
                return by_hand(result, f"line {numbered.line} numbers CUDA's devices, and stays: port both together")
            test = counted.get(flag(result.site, ctx) or b"")
            if test is not None and test.site.scope == result.site.scope:
                return by_hand(result, f"line {test.site.line} tests what is made of it, and stays: port both together")
        statement = result.site.statement
        test = tests.get(statement.start) if statement is not None else None
        if test is None or not result.edited:
            return result
        if test.verdict is Verdict.PORTABLE:
            return leave(result, "it is part of a condition that stays")
        return by_hand(result, "it is part of a condition that stays: port both together")

    return [held(r) for r in results] if tests or numbered else results


def _bodies(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """What runs only where a test holds that stays CUDA's."""
    tests = [r for r in results if not r.edited and (is_test(r) or judges_backend(r))]
    staying = {r.site for r in tests}
    near, by_site = Tests(staying, ctx), {r.site: n for n, r in enumerate(tests)}
    backends = [n for n, test in enumerate(tests) if ctx.target.keeps_cuda and judges_backend(test)]

    def near_by(result: Judgement, flagged: set[Site]) -> Iterator[Judgement]:
        """The tests that the result may depend on, in order."""
        return (tests[n] for n in sorted({*backends, *(by_site[t] for t in flagged | near.opening(result.site))}))

    def held(result: Judgement) -> Judgement:
        asks = result.rule in ASKING and result.verdict is Verdict.MANUAL
        stays = ctx.target.keeps_cuda and result.verdict is not Verdict.PORTABLE and result.site not in staying
        stays = stays or (result.rule in _CHOICES and result.verdict is Verdict.MANUAL)
        if not (result.edited or asks or stays):
            return result
        flagged = near.flagging(result.site)
        for test in tests if asks else near_by(result, flagged):
            if asks and test.verdict is Verdict.PORTABLE and only_asked(result, test.site, ctx):
                return leave(result, f"asked only where line {test.site.line} finds CUDA, and that test stays")
            asked = ctx.target.keeps_cuda and judges_backend(test) and leads_to(test.site, result.site, ctx)
            kinds = ARMS if test.site.name == BUILD else OPENED  # once past an error, the program goes on
            if (result.edited or stays) and (test.site in flagged or asked or opens(test.site, result.site, kinds)):
                if test.verdict is Verdict.PORTABLE:
                    return leave(result, f"runs only where line {test.site.line} finds CUDA, and that test stays")
                if result.edited:
                    return by_hand(result, f"line {test.site.line} tests for CUDA and stays: port both together")
        return result

    return [held(r) for r in results] if tests else results


def _called(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """Functions that are called only where a test holds that keeps the target out.

    A question for the GPU is no reason to leave what is ported.
    """

    def leads(test: Site, call: Site) -> bool:
        name = flag(test, ctx)
        return opens(test, call) or (name is not None and opens_by_flag(name, test, call, ctx))

    tests = [r.site for r in results if r.verdict is Verdict.PORTABLE and is_test(r)]
    if not tests or not any(r.site.scope and (r.edited or asks(r)) for r in results):
        return results
    edits = used_behind(firm(tests, results, ctx), ctx) | called_behind(tests, leads, ctx)
    asked = used_behind(tests, ctx) if any(map(asks, results)) else edits

    def held(result: Judgement) -> Judgement:
        lines = edits if result.edited else asked if asks(result) else {}
        line = lines.get(result.site.scope.partition(".")[0])
        return (
            result if line is None else leave(result, f"called only where line {line} finds CUDA, and that test stays")
        )

    return [held(r) for r in results]


def _mentions(test: Site, site: Site, ctx: Context) -> bool:
    """Whether a device of a decorator is for a function that reads the answer: ``assume(kind == "cpu" or HAS_GPU)``."""
    name, outline = flag(test, ctx), ctx.outline()
    function = next(iter(outline.around(site.start)[-1:]), None)
    if name is None or not isinstance(function, ast.FunctionDef) or site.start > outline.span(function).start:
        return False
    return any(isinstance(n, ast.Name) and n.id == name.decode() for n in ast.walk(function))


def _makes(name: str, test: Site, ctx: Context) -> bool:
    """Whether what runs where the test holds uses a class of the file."""
    nodes = (node for arm in ctx.outline().arms(test.start) for part in arm for node in ast.walk(part))
    return any(isinstance(node, ast.Name) and node.id == name for node in nodes)
