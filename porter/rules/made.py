"""What there is only where a test for CUDA held: where that stays, so do the tests that lead to uses of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from porter.index.outline import Function, dotted
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Judgement
from porter.rules.placement.reach import arms
from porter.rules.policy import by_hand, leave
from porter.rules.tested import is_test

_Name = tuple[ast.AST, str]  # the class and its attribute as methods write it, or the scope and its variable
_Home = Function | ast.ClassDef


def made_behind(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """``if there: self.g = Generator(device)``, which stays: so does every test that leads to a use of `self.g`.

    Where the program uses it whatever is there, the test is a thing to port: it does not keep the target out.
    """
    tests = list(filter(is_test, results))
    kept = [t for t in tests if not t.edited]
    made = _made(kept, ctx) if kept else {}
    if not made:
        return results
    behind = {id(node) for test in kept for node in _nodes(test.site, ctx)}
    needed = _needed(made, behind, ctx)

    def held(result: Judgement) -> Judgement:
        if not is_test(result):
            return result
        if result.verdict is Verdict.PORTABLE and (why := needed.get(result.site.start)) is not None:
            return by_hand(result, why)
        if not result.edited:
            return result
        uses = _uses((n for n in _nodes(result.site, ctx) if id(n) not in behind), ast.Load, ctx)
        found = next((name for _, name in uses if name in made), None)
        if found is None:
            return result
        maker = made[found]
        why = f"it leads to `{found[1]}`, which is made where line {maker.site.line} finds CUDA"
        if maker.verdict is Verdict.PORTABLE and maker.site.start not in needed:
            return leave(result, f"left as it is: {why}")
        return by_hand(result, f"{why}: port both together")

    return [held(r) for r in results]


def _made(tests: list[Judgement], ctx: Context) -> dict[_Name, Judgement]:
    """What is given a value only where these tests hold, each with one of them; of an attribute, None is no value."""
    made = {name: test for test in tests for _, name in _uses(_nodes(test.site, ctx), ast.Store, ctx)}
    fine = {id(node) for test in tests for node in _nodes(test.site, ctx)} if made else set()
    for node in ctx.outline().nodes if made else ():
        match node:
            case ast.Assign(targets=targets, value=ast.Constant(value=None)):
                fine.update(id(target) for target in targets if isinstance(target, ast.Attribute))
            case ast.alias(name="*"):
                made = {name: test for name, test in made.items() if name[0] is not ctx.outline().tree}
        if bound := _bound(node):
            made = {name: test for name, test in made.items() if name[1] not in bound}
    for _, name in _uses(_saying(made, fine, ctx), ast.Store, ctx) if made else ():
        made.pop(name, None)
    return made


def _bound(node: ast.AST) -> list[str]:
    """The names that code binds by other means than an assignment, an import or a definition."""
    match node:
        case ast.arguments():
            return [part.arg for part in ast.walk(node) if isinstance(part, ast.arg)]
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            return names
        case ast.ExceptHandler(name=str(name)):
            return [name]
    return []


def _needed(made: dict[_Name, Judgement], behind: set[int], ctx: Context) -> dict[int, str]:
    """Where those tests stand that make what the code of its scope uses on any machine, with what people are told."""
    found: dict[int, str] = {}
    for node, name in _uses(_saying(made, behind, ctx), ast.Load, ctx):
        if name in made and isinstance(node, ast.Name) and _runs_anywhere(node, name[0], ctx):
            why = f"it alone makes `{node.id}`, which line {node.lineno} uses: say what that is on {ctx.target.title}"
            found.setdefault(made[name].site.start, why)
    return found


def _saying(made: dict[_Name, Judgement], behind: set[int], ctx: Context) -> Iterator[ast.AST]:
    """The nodes of the file that may be about what is made, less those ``behind`` the tests that make it."""
    names = {name for _, name in made}
    for node in ctx.outline().nodes:
        if id(node) not in behind and (not isinstance(node, ast.Name) or node.id in names):
            yield node


def _runs_anywhere(node: ast.Name, scope: ast.AST, ctx: Context) -> bool:
    """Whether a use of a variable stands in no branch, loop or function of its scope; what a branch asks for does."""
    outline = ctx.outline()
    start = outline.span(node).start
    around = outline.around(start)
    *above, own = around[around.index(scope) + 1 :] if scope in around else around
    if any(not isinstance(outer, ast.With) for outer in above):
        return False
    if any(isinstance(part, ast.BoolOp | ast.IfExp | ast.Lambda) for part in outline.expressions(start, start + 1)):
        return False
    return not isinstance(own, Function | ast.ClassDef)


def _uses(nodes: Iterator[ast.AST], context: type[ast.expr_context], ctx: Context) -> Iterator[tuple[ast.AST, _Name]]:
    """The attributes of its own object and the variables that code sets or reads; set is what it defines, too."""
    outline = ctx.outline()
    for node in nodes:
        match node:
            case ast.Attribute() if isinstance(node.ctx, context) and (dotted(node) or "").startswith("self."):
                name = dotted(node) or ""
                yield node, (outline.home(name, outline.span(node).start), name)
            case ast.Name(id=name) if isinstance(node.ctx, context):
                if (scope := _scope(name, node, ctx)) is not None:
                    yield node, (scope, name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                if context is ast.Store and _is_of_module(node, ctx):
                    yield node, (outline.tree, name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                if context is ast.Store and _is_of_module(node, ctx):
                    yield from ((node, (outline.tree, a.asname or a.name.partition(".")[0])) for a in names)


def _is_of_module(node: ast.AST, ctx: Context) -> bool:
    """Whether what a statement defines is a name of the module, not of a class or a function in it."""
    around = ctx.outline().around(ctx.outline().span(node).start)
    return not any(isinstance(outer, _Home) for outer in around if outer is not node)


def _scope(name: str, node: ast.Name, ctx: Context) -> ast.AST | None:
    """The function whose variable a name is at a node, or else the module; None for what a class body sets."""
    outline = ctx.outline()
    homes = [outer for outer in outline.around(outline.span(node).start) if isinstance(outer, _Home)]
    if homes and isinstance(homes[-1], ast.ClassDef) and isinstance(node.ctx, ast.Store):
        return None
    functions = (home for home in reversed(homes) if isinstance(home, Function))
    return next((function for function in functions if name in outline.own(function)), outline.tree)


def _nodes(test: Site, ctx: Context) -> Iterator[ast.AST]:
    return (n for arm in arms(test, ctx) for part in arm for n in ast.walk(part))
