"""Edits inside calls, attributes and string literals."""

from __future__ import annotations

import ast
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from porter.index.site import Call, Receiver, Site, Statement
from porter.rewrite.calls import CallEditor, cuda_to, delete_statement, is_cuda_to, quote, replace_in_string
from tests.rewrite.helpers import applied, call_in


def edited(source: str, *operations: tuple[object, ...]) -> str | None:
    """Apply operations, ("remove", index) or ("append", text), to the call that ``source`` is."""
    text = source.encode()
    call = call_in(text)
    editor = CallEditor(text, call)
    for name, *arguments in operations:
        first, *rest = arguments
        getattr(editor, str(name))(call.arguments[first] if isinstance(first, int) else first, *rest)
    edits = editor.edits()
    return None if edits is None else applied(text, edits).decode()


@pytest.mark.parametrize(
    ("source", "removed", "expected"),
    [
        ("f(a)", [0], "f()"),
        ("f( a )", [0], "f()"),
        ("f(a,)", [0], "f()"),
        ("f(a, b, c)", [0], "f(b, c)"),
        ("f(a, b, c)", [1], "f(a, c)"),
        ("f(a, b, c)", [2], "f(a, b)"),
        ("f(a, b, c)", [0, 1], "f(c)"),
        ("f(a, b, c)", [1, 2], "f(a)"),
        ("f(a, b, c)", [0, 2], "f(b)"),
        ("f(a, b, c)", [0, 1, 2], "f()"),
        ("f(a, b,)", [1], "f(a,)"),
        ("f(a , b , c)", [1], "f(a , c)"),
        ("f(a, device_ids = [0], **kw)", [1], "f(a, **kw)"),
        ("f(*a, b)", [0], "f(b)"),
        ("f((a), (b))", [1], "f((a))"),
        ("f(\n    a,\n    b,\n    c,\n)", [0], "f(\n    b,\n    c,\n)"),
        ("f(\n    a,\n    b,\n    c,\n)", [1], "f(\n    a,\n    c,\n)"),
        ("f(\n    a,\n    b,\n    c,\n)", [2], "f(\n    a,\n    b,\n)"),
        ("f(\n    a,\n    b,\n    c,\n)", [1, 2], "f(\n    a,\n)"),
        ("f(\n    a,\n    b,\n    c,\n)", [0, 1, 2], "f()"),
        ("f(\n    a,\n    b\n)", [1], "f(\n    a\n)"),
        ("f(a,\n  b,\n  c)", [0], "f(b,\n  c)"),
        ("f(a,\n  b,\n  c)", [1], "f(a,\n  c)"),
        ("f(a, b,\n  c, d)", [1], "f(a,\n  c, d)"),
        ("f(a, b,\n  c, d)", [2], "f(a, b,\n  d)"),
        ("f(a, b,\n  c, d)", [2, 3], "f(a, b)"),
        ("f(\n    a,  # why a\n    b,\n    c,\n)", [1], "f(\n    a,  # why a\n    c,\n)"),
        ("f(\n    a,  # why a\n    b,\n)", [1], "f(\n    a,  # why a\n)"),
        ("f(\n    a,  # why a\n    b\n)", [1], "f(\n    a,  # why a\n)"),
        ("f(\n    a,\n    # why b\n    b,\n)", [0], "f(\n    # why b\n    b,\n)"),
        ("f(a,\r\n  b,\r\n  c)", [1], "f(a,\r\n  c)"),
        ("f('ü', b, 'ß')", [1], "f('ü', 'ß')"),
        ("f(a, x if y else z, lambda: (1, 2))", [1], "f(a, lambda: (1, 2))"),
        ("(x\n  .y(a)  # note\n  .z(a, b))", [1], "(x\n  .y(a)  # note\n  .z(a))"),
    ],
)
def test_arguments_leave_with_comma_and_line(source: str, removed: list[int], expected: str) -> None:
    assert edited(source, *(("remove", i) for i in removed)) == expected


@pytest.mark.parametrize(
    ("source", "removed"),
    [
        ("f(\n    a,  # why a\n    b,\n)", 0),
        ("f(\n    a,\n    # why b\n    b,\n)", 1),
        ("f(\n    a,\n    b  # why b\n)", 1),
        ("f(\n    a,\n    b  # why b\n    , c)", 1),
        ("f(a, (b  # why b\n), c)", 1),
        ("f(  # about f\n    a\n)", 0),
    ],
)
def test_an_argument_with_a_comment_stays(source: str, removed: int) -> None:
    assert edited(source, ("remove", removed)) is None


@pytest.mark.parametrize(
    ("source", "operation", "expected"),
    [
        ("f()", ("append", "x=1"), "f(x=1)"),
        ("f(\n)", ("append", "x=1"), "f(x=1\n)"),
        ("f(a)", ("append", "x=1"), "f(a, x=1)"),
        ("f(a, )", ("append", "x=1"), "f(a, x=1, )"),
        ("f(**kw)", ("append", "x=1"), "f(**kw, x=1)"),
        ("f(\n    a,\n)", ("append", "x=1"), "f(\n    a,\n    x=1,\n)"),
        ("f(\n    a,\n    b\n)", ("append", "x=1"), "f(\n    a,\n    b,\n    x=1\n)"),
        ("f(\n    a,  # why a\n)", ("append", "x=1"), "f(\n    a,  # why a\n    x=1,\n)"),
        ("f(\n    a  # why a\n)", ("append", "x=1"), "f(\n    a,  # why a\n    x=1\n)"),
        ("f(a,\r\n  b)", ("append", "x=1"), "f(a,\r\n  b,\r\n  x=1)"),
        ("f(a, b,\n  c, d)", ("append", "x=1"), "f(a, b,\n  c, d, x=1)"),
        ("f()", ("insert_first", "x"), "f(x)"),
        ("f(a)", ("insert_first", "x"), "f(x, a)"),
        ("f(\n    a,\n)", ("insert_first", "x"), "f(\n    x,\n    a,\n)"),
        ("f(\n    a,\n    b)", ("insert_first", "x"), "f(\n    x,\n    a,\n    b)"),
        ("f(*a)", ("insert_first", "x"), "f(x, *a)"),
        ("f(i for i in a)", ("append", "x=1"), None),
        ("f((i for i in a))", ("append", "x=1"), "f((i for i in a), x=1)"),
        ("f(a, b)", ("replace", 1, "c"), "f(a, c)"),
        ("f(a, k=(b))", ("replace", 1, "c"), "f(a, k=(c))"),
        ("f(a, k = b)", ("rename_keyword", 1, "new"), "f(a, new = b)"),
        ("f(a, b)", ("rename_keyword", 1, "new"), "f(a, new=b)"),
        ("f(a, b)", ("rename_keyword", 0, "new"), None),
        ("f(*a)", ("rename_keyword", 0, "new"), None),
        ("f(**a)", ("rename_keyword", 0, "new"), None),
        ("a.f(b)", ("rename_method", "g"), "a.g(b)"),
        ("a . f (b)", ("rename_method", "g"), "a . g (b)"),
        ("f(b)", ("rename_method", "g"), None),
    ],
)
def test_one_operation(source: str, operation: tuple[object, ...], expected: str | None) -> None:
    assert edited(source, operation) == expected


@pytest.mark.parametrize(
    ("source", "operations", "expected"),
    [
        ("f(a)", [("remove", 0), ("append", "x=1")], "f(x=1)"),
        ("f(a, b)", [("remove", 1), ("append", "x=1")], "f(a, x=1)"),
        ("f(a, b,)", [("remove", 1), ("append", "x=1")], "f(a, x=1,)"),
        ("f(a, b)", [("remove", 0), ("insert_first", "x")], "f(x, b)"),
        ("f(a)", [("rename_keyword", 0, "k"), ("insert_first", "x")], "f(x, k=a)"),
        ("f(a, b)", [("append", "x=1"), ("append", "y=2"), ("remove", 0)], "f(b, x=1, y=2)"),
        ("f(a, b)", [("insert_first", "x"), ("insert_first", "y")], "f(x, y, a, b)"),
        ("f(\n    a,\n    b,\n)", [("remove", 1), ("append", "x=1")], "f(\n    a,\n    x=1,\n)"),
        ("f(\n    a,  # why a\n    b\n)", [("remove", 1), ("append", "x")], "f(\n    a,  # why a\n    x,\n)"),
        ("f(a, k=b)", [("rename_keyword", 1, "n"), ("replace", 1, "c"), ("append", "x=1")], "f(a, n=c, x=1)"),
        ("f(a, k=b)", [("replace", 1, "c"), ("remove", 1)], "f(a)"),
        ("f(a)", [("remove", 0), ("insert_first", "x"), ("append", "y")], "f(x, y)"),
    ],
)
def test_operations_compose(source: str, operations: list[tuple[object, ...]], expected: str) -> None:
    assert edited(source, *operations) == expected


_LEADS = st.sampled_from(["", " ", "\n    ", "  # c\n  ", "\n  # own\n    "])
_VALUES = st.sampled_from(["a", "k=1", "'ü,)'", "g(x, y)"])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(_LEADS, st.sampled_from(["a", "k=1", "'ü,)'", "g(x, y)"])), min_size=1, max_size=5), st.data()
)
def test_any_removal_leaves_the_other_arguments(parts: list[tuple[str, str]], data: st.DataObject) -> None:
    items = sorted(parts, key=lambda part: "=" in part[1])
    named = [(lead, value.replace("k=", f"k{i}=")) for i, (lead, value) in enumerate(items)]
    trailing = data.draw(st.sampled_from(["", ",", ",\n", "\n", ",  # end\n"]))
    source = "f(" + ",".join(lead + value for lead, value in named) + trailing + ")"
    removed = data.draw(st.sets(st.integers(0, len(named) - 1), min_size=1))
    result = edited(source, *(("remove", i) for i in removed), ("append", "last=1"))
    if result is not None:
        kept = [value for i, (_, value) in enumerate(named) if i not in removed]
        assert ast.dump(ast.parse(result)) == ast.dump(ast.parse(f"f({', '.join([*kept, 'last=1'])})"))
        assert result.count("#") == source.count("#")


def test_separate_editors_of_one_call_never_break_it() -> None:
    """Two rules that remove different arguments on their own: overlaps are deletions only, so their union applies."""
    text = b"f(a, b, c, d)"
    call = call_in(text)
    for i, j in combinations(range(4), 2):
        edits = [CallEditor(text, call).remove(call.arguments[k]).edits() or () for k in (i, j)]
        gone = {at for some in edits for e in some for at in range(e.start, e.end)}
        assert all(not e.text for some in edits for e in some)
        ast.parse(bytes(c for at, c in enumerate(text) if at not in gone))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x.cuda()", 'x.to("neuron")'),
        ("x.cuda(None)", 'x.to("neuron")'),
        ("x.cuda(device)", "x.to(device)"),
        ("x.cuda(device=d, non_blocking=True)", "x.to(device=d, non_blocking=True)"),
        ("x.cuda(non_blocking=True)", 'x.to("neuron", non_blocking=True)'),
        ("x.cuda(rank, True)", "x.to(rank, non_blocking=True)"),
        ("x.cuda(None, True)", 'x.to("neuron", non_blocking=True)'),
        ("x.cuda(*a)", None),
        ("x.cuda(**a)", None),
        ("cuda(x)", None),
        ("(Net()\n    .half()  # small\n    .cuda())", '(Net()\n    .half()  # small\n    .to("neuron"))'),
        ("x.cuda(\n    non_blocking=True,\n)", 'x.to(\n    "neuron",\n    non_blocking=True,\n)'),
        ("x.cuda(  # here\n)", 'x.to("neuron"  # here\n)'),
    ],
)
def test_cuda_method(source: str, expected: str | None) -> None:
    text = source.encode()
    edits = cuda_to(text, call_in(text), '"neuron"')
    assert (edits and applied(text, edits).decode()) == expected


def test_cuda_method_with_a_value_for_its_device() -> None:
    text = b"x.cuda(0, non_blocking=True)"
    edits = cuda_to(text, call_in(text), '"neuron"', value='"neuron:0"')
    assert edits and applied(text, edits) == b'x.to("neuron:0", non_blocking=True)'


@pytest.mark.parametrize(
    ("source", "parent", "expected"),
    [
        ("if x.is_cuda: pass", "If", 'if x.device.type == "neuron": pass'),
        ("y = not x.is_cuda", "UnaryOp", 'y = x.device.type != "neuron"'),
        ("y = ~x.is_cuda", "UnaryOp", 'y = ~(x.device.type == "neuron")'),
        ("y = a and x.is_cuda", "BoolOp", 'y = a and x.device.type == "neuron"'),
        ("y = x.is_cuda == z", "Compare", 'y = (x.device.type == "neuron") == z'),
        ("y = 1 + x.is_cuda", "BinOp", 'y = 1 + (x.device.type == "neuron")'),
        ("f(*x.is_cuda)", "Starred", 'f(*(x.device.type == "neuron"))'),
        ("f(x.is_cuda)", "Call", 'f(x.device.type == "neuron")'),
        ("x.is_cuda()", "Call", None),
        ("f'{x.is_cuda}'", "FormattedValue", None),
        ('f"{g(x.is_cuda)}"', "Call", "f\"{g(x.device.type == 'neuron')}\""),
        ("x.is_cuda_ = 1", "", None),
    ],
)
def test_is_cuda(source: str, parent: str, expected: str | None) -> None:
    text = source.encode()
    start = text.index(b"x.is_cuda")
    end = start + len("x.is_cuda") + source.count("is_cuda_")
    site = Site(
        "symbol",
        "torch.Tensor.is_cuda",
        start,
        end,
        1,
        receiver=Receiver(start, start + 1, "torch.Tensor", ""),
        statement=Statement(0, len(text), "Expr"),
        parent=parent,
    )
    edits = is_cuda_to(text, site, "neuron")
    assert (edits and applied(text, edits).decode()) == expected


@pytest.mark.parametrize(
    ("source", "old", "new", "expected"),
    [
        ("'cuda'", "cuda", "neuron", "'neuron'"),
        ('"cuda:0"', "cuda", "neuron", '"neuron:0"'),
        ('f"cuda:{rank}"', "cuda", "neuron", 'f"neuron:{rank}"'),
        ("f\"cuda:{d['cuda']}\"", "cuda", "neuron", "f\"neuron:{d['cuda']}\""),
        ("rb'''cuda'''", "cuda", "neuron", "rb'''neuron'''"),
        ('"cpu:gloo,cuda:nccl"', "cuda", "neuron", '"cpu:gloo,neuron:nccl"'),
        ('"cpu:gloo,cuda:nccl"', "nccl", "neuron", '"cpu:gloo,cuda:neuron"'),
        ("'cuda'  # c\n  ':0'", "cuda", "neuron", "'neuron'  # c\n  ':0'"),
        ("'é' f'{x}cuda'", "cuda", "neuron", "'é' f'{x}neuron'"),
        ("('cuda')", "cuda", "neuron", "('neuron')"),
        ("'torch.cuda'", "cuda", "neuron", None),
        ("'torch.cuda.FloatTensor'", "torch.cuda.FloatTensor", "torch.FloatTensor", "'torch.FloatTensor'"),
        ("'barracuda'", "cuda", "neuron", None),
        ("'\\x63uda'", "cuda", "neuron", None),
        ("cuda", "cuda", "neuron", None),
        ("f'{cuda}'", "cuda", "neuron", None),
    ],
)
def test_words_in_strings(source: str, old: str, new: str, expected: str | None) -> None:
    text = b"x = " + source.encode() + b"; y"
    edits = replace_in_string(text, 4, 4 + len(source.encode()), old, new)
    assert (edits and applied(text, edits)[4:-3].decode()) == expected


def test_a_slice_that_is_no_call_gives_no_edits() -> None:
    text = b"f(a"
    editor = CallEditor(text, Call(0, 3))
    assert editor.append("x").rename_method("g").edits() is None


def test_quotes_differ_from_those_of_the_string_around() -> None:
    text = b'print(f"{x}", y)'
    assert quote(text, Site("device", "cuda", text.index(b"x"), text.index(b"x") + 1, 1), "neuron") == "'neuron'"
    assert quote(b"f'{x}'", Site("device", "cuda", 3, 4, 1), "neuron") == '"neuron"'


@pytest.mark.parametrize(
    ("source", "statement", "siblings", "expected"),
    [
        ("a()\nb()\n", "b()", 2, "a()\n"),
        ("if x:\n    a()\n    b()\r\n", "b()", 2, "if x:\n    a()\n"),
        ("if x:\n    b()\n", "b()", 1, "if x:\n    pass\n"),
        ("if x: b()\n", "b()", 1, "if x: pass\n"),
        ("a(); b()\n", "b()", 2, None),
        ("b(); a()\n", "b()", 2, None),
        ("b()  # why\n", "b()", 2, None),
        ("a()\nb();", "b()", 2, "a()\n"),
    ],
)
def test_statements_leave_with_their_line(source: str, statement: str, siblings: int, expected: str | None) -> None:
    text = source.encode()
    start = text.index(statement.encode())
    edit = delete_statement(text, start, start + len(statement), siblings)
    assert (edit and applied(text, [edit]).decode()) == expected
