"""Edits inside one call, attribute or string literal, built from libcst nodes of its own slice.

Rules call these builders. Each returns `TextEdit`s that touch no more than they must, so that sites nested in
other arguments of the same call can be edited on their own; or None where the edit cannot be made. Edits of several
arguments of one call belong into one `CallEditor`: give the same edits to each judgement they stem from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from porter.rewrite.commas import CommaList, elements
from porter.rules.base import Edits, TextEdit

if TYPE_CHECKING:
    import libcst

    from porter.index.site import Argument, Call, Site

_QUOTES = re.compile(rb"[rRuUfF]{0,2}([\"'])")
_FSTRING = re.compile(rb"\b(?:[fF][rR]?|[rR][fF])('''|\"\"\"|'|\")")
_BARE_CUDA = b".cuda()"
_PLAIN = re.compile(rb"'[\w:,. -]*'|\"[\w:,. -]*\"", re.ASCII)
_BINDS_TIGHTER = frozenset({"Attribute", "Await", "BinOp", "Compare", "Starred", "Subscript", "UnaryOp"})


class CallEditor:
    """Collects operations on one call and gives their edits. Operations chain::

        CallEditor(text, call).remove(argument).append('device_type="neuron"').edits()

    ``source_text`` is ``Source.text``. Raises AssertionError if libcst does not print the call as it stands there.
    """

    def __init__(self, source_text: bytes, call: Call):
        import libcst

        self._text = source_text
        self._call = call
        self._edits: list[TextEdit] = []
        self._ends: list[TextEdit] = []  # insertions that belong to the argument before them
        self._removed: set[int] = set()
        self._named: set[int] = set()  # positional arguments that `rename_keyword` has given a name
        self._spread: tuple[Edits, Edits] = (), ()
        self._first: list[str] = []
        self._last: list[str] = []
        self._possible = False
        parsed = _parse(source_text, call.start, call.end)
        if parsed is None:
            return
        node, code = parsed
        if not isinstance(node, libcst.Call):
            return
        self._node = node
        self._function_end = call.start + len(code(node.func).encode())
        opens = self._function_end + len(code(node.whitespace_after_func).encode()) + 1
        start = opens + len(code(node.whitespace_before_args).encode())
        found, end = elements(node.args, start, code)
        assert source_text[opens - 1 : opens] == b"(" and source_text[end : call.end] == b")", "call not read exactly"
        self._list = CommaList(source_text, opens, end, found)
        self._possible = True

    def edits(self) -> Edits | None:
        """All edits, in order and without overlap; None where an operation cannot be done."""
        if not self._possible:
            return None
        listed = self._list.edits(self._removed, self._first, self._last)
        if listed is None:
            return None
        gone = [self._list.elements[i] for i in self._removed]
        ends, edits = (
            [e for e in found if not any(g.start <= e.start and e.end <= g.end for g in gone)]
            for found in (self._ends, self._edits)
        )
        opening, closing = self._spread
        return _joined([*opening, *ends, *listed, *edits, *closing])

    def replace(self, argument: Argument, text: str) -> CallEditor:
        """Put ``text`` in place of the argument's value."""
        self._edits.append(TextEdit(argument.start, argument.end, text))
        return self

    def wrap(self, argument: Argument, before: str, after: str) -> CallEditor:
        """Put text on both sides of the argument's value."""
        self._edits.append(TextEdit(argument.start, argument.start, before))
        self._ends.append(TextEdit(argument.end, argument.end, after))
        return self

    def cut(self, start: int, end: int) -> CallEditor:
        """Take out a part of an argument's value."""
        self._edits.append(TextEdit(start, end, ""))
        return self

    def spread(self) -> CallEditor:
        """Put all arguments on a line of their own, indented below the line that the call stands on."""
        start = self._text.rfind(b"\n", 0, self._call.start) + 1
        line = self._text[start : self._call.start].decode()
        newline = "\r\n" if b"\r\n" in self._text else "\n"
        indent = newline + line[: len(line) - len(line.lstrip())]
        opens, closes = self._list.opens, self._call.end - 1
        self._spread = (TextEdit(opens, opens, f"{indent}    "),), (TextEdit(closes, closes, indent),)
        return self

    def remove(self, argument: Argument) -> CallEditor:
        """Drop the argument with its comma. Cannot be done if it carries a comment."""
        index = self._index(argument)
        if index is not None:
            self._removed.add(index)
        return self

    def insert_first(self, text: str) -> CallEditor:
        """Put the argument ``text`` before all others."""
        self._make_room()
        self._first.append(text)
        return self

    def append(self, text: str) -> CallEditor:
        """Put the argument ``text`` after all others, in the call's own layout."""
        self._make_room()
        self._last.append(text)
        return self

    def rename_keyword(self, argument: Argument, new: str) -> CallEditor:
        """Pass the argument as ``new=``. Cannot be done for ``*`` and ``**``, nor where positional ones follow.

        Of several positional arguments, name the last first.
        """
        index = self._index(argument)
        if index is None:
            return self
        keyword = self._node.args[index].keyword
        if keyword is not None:
            start = self._list.elements[index].start
            self._edits.append(TextEdit(start, start + len(keyword.value.encode()), new))
        elif argument.keyword is None and all(self._is_named(i) for i in range(index + 1, len(self._node.args))):
            start = self._list.elements[index].start
            self._edits.append(TextEdit(start, start, f"{new}="))
            self._named.add(index)
        else:
            self._possible = False
        return self

    def rename_method(self, new: str) -> CallEditor:
        """Call the method ``new`` of the same receiver. Cannot be done for a plain function."""
        import libcst

        if not self._possible:
            return self
        function = self._node.func
        if isinstance(function, libcst.Attribute) and not function.rpar:
            start = self._function_end - len(function.attr.value.encode())
            self._edits.append(TextEdit(start, self._function_end, new))
        else:
            self._possible = False
        return self

    def _is_named(self, index: int) -> bool:
        """Whether nothing that follows by position can be at this element."""
        argument = self._node.args[index]
        return argument.keyword is not None or argument.star == "**" or index in self._named | self._removed

    def _index(self, argument: Argument) -> int | None:
        """Which element the argument is; where it is none, nothing is possible any more."""
        if self._possible:
            for i, element in enumerate(self._list.elements):
                if element.start <= argument.start < element.end:
                    return i
        self._possible = False
        return None

    def _make_room(self) -> None:
        """A bare generator expression must be the only argument."""
        import libcst

        if self._possible and any(
            isinstance(a.value, libcst.GeneratorExp) and not a.value.lpar for a in self._node.args
        ):
            self._possible = False


def _joined(edits: Iterable[TextEdit]) -> Edits:
    """Edits in order; insertions at one place become one, in the order given."""
    insertions: dict[int, str] = {}
    others = []
    for edit in edits:
        if edit.start == edit.end:
            insertions[edit.start] = insertions.get(edit.start, "") + edit.text
        else:
            others.append(edit)
    return tuple(sorted([*others, *(TextEdit(at, at, text) for at, text in insertions.items() if text)]))


def cuda_to(text: bytes, call: Call, device: str, value: str | None = None) -> Edits | None:
    """``x.cuda(...)`` as ``x.to(...)``.

    ``device`` is the expression to pass where the call names no device (or None); ``value`` takes the place of
    a device that it names, which otherwise stays.
    """
    if call.unpacked:
        return None
    if text.endswith(_BARE_CUDA, call.start, call.end):  # nothing in it needs a parser
        at = call.end - len(_BARE_CUDA) + 1
        return (TextEdit(at, at + 4, "to"), TextEdit(call.end - 1, call.end - 1, device))
    editor = CallEditor(text, call).rename_method("to")
    named = call.get("device", 0)
    if named is None:
        editor.insert_first(device)
    elif named.is_literal and named.literal is None:
        editor.replace(named, device)
    elif value is not None:
        editor.replace(named, value)
    non_blocking = call.get("non_blocking", 1)
    if non_blocking is not None and non_blocking.keyword is None:
        editor.rename_keyword(non_blocking, "non_blocking")
    return editor.edits()


def is_cuda_to(text: bytes, site: Site, device: str, operator: str = "==") -> Edits | None:
    """``x.is_cuda`` as ``x.device.type == "neuron"``, in parentheses where the context binds tighter.

    ``not x.is_cuda`` becomes ``x.device.type != "neuron"``.

    ``device`` is the device type without quotes. None for ``x.is_cuda()``, which is no tensor's, for a name that
    is not spelled ``.is_cuda``, and inside an f-string's own braces, where ``=`` has another meaning.
    """
    name = b"is_cuda"
    called = site.call is not None or text[site.end :].lstrip(b" \t")[:1] == b"("
    if called or not text.endswith(name, site.start, site.end) or site.role in ("store", "delete"):
        return None
    if site.parent in ("FormattedValue", "JoinedStr", "Interpolation", "TemplateStr"):
        return None
    start = site.receiver.start if site.receiver and site.start > site.receiver.start else site.start
    negated = re.search(rb"\bnot +\Z", text[max(0, start - 16) : start]) if site.parent == "UnaryOp" else None
    if negated is not None:
        operator = "!=" if operator == "==" else "=="
    test = TextEdit(site.end - len(name), site.end, f"device.type {operator} {quote(text, site, device)}")
    if negated is not None:
        return (TextEdit(max(0, start - 16) + negated.start(), start, ""), test)
    if site.parent not in _BINDS_TIGHTER:
        return (test,)
    return (TextEdit(start, start, "("), TextEdit(test.start, test.end, test.text + ")"))


def quote(text: bytes, site: Site, value: str) -> str:
    """``value`` as a string literal that may stand at the site, even inside an f-string before Python 3.12.

    Where a literal stands, its quotes are kept.
    """
    if own := _QUOTES.match(text, site.start):
        return f"{own[1].decode()}{value}{own[1].decode()}"
    start = site.statement.start if site.statement else text.rfind(b"\n", 0, site.start) + 1
    around = _FSTRING.findall(text, start, site.start)
    mark = "'" if around and around[-1].startswith(b'"') else '"'
    return f"{mark}{value}{mark}"


def replace_in_string(text: bytes, start: int, end: int, old: str, new: str) -> Edits | None:
    """Write ``new`` for the word ``old`` in the string literal ``text[start:end]``, prefix and quotes included.

    Only the literal's own characters are looked at, not the expressions of an f-string. Words end where
    letters, digits, ``_``, ``.`` and ``-`` do: ``cuda`` is found in ``'cuda:0'`` and ``"cpu:gloo,cuda:nccl"``,
    not in ``"torch.cuda"``. None if it does not occur, or the slice is no string literal. ``new`` is a plain word.
    """
    word = re.compile(rb"(?<![\w.-])" + re.escape(old.encode()) + rb"(?![\w.-])")
    if _PLAIN.fullmatch(text, start, end):  # nothing in it needs a parser
        return tuple(TextEdit(m.start(), m.end(), new) for m in word.finditer(text, start + 1, end - 1)) or None
    parsed = _parse(text, start, end)
    if parsed is None:
        return None
    node, code = parsed
    prefix = len("".join(code(p) for p in getattr(node, "lpar", ())).encode())
    found = []
    for at, content in _contents(node, start + prefix, code):
        found += [TextEdit(at + m.start(), at + m.end(), new) for m in word.finditer(content)]
    return tuple(found) or None


def delete_statement(
    text: bytes, start: int, end: int, siblings: int, *, with_comment: bool = False
) -> TextEdit | None:
    """Delete the simple statement ``text[start:end]`` with its line; the only one of a block becomes ``pass``.

    None where it shares its line with other statements, or with a comment that does not go with it.
    """
    if siblings == 1:
        return TextEdit(start, end, "pass")
    line = max(text.rfind(b"\n", 0, start), text.rfind(b"\r", 0, start)) + 1
    comment = rb"(?:#[^\r\n]*)?" if with_comment else b""
    rest = re.compile(rb"[ \t\f]*;?[ \t\f]*" + comment + rb"(?:\r\n|\r|\n|\Z)").match(text, end)
    if text[line:start].strip() or rest is None:
        return None
    return TextEdit(line, rest.end(), "")


class _Code:
    """Prints nodes with the line ends of the module they come from."""

    def __init__(self, module: libcst.Module):
        self._module = module

    def __call__(self, node: libcst.CSTNode) -> str:
        return self._module.code_for_node(node)


def _parse(text: bytes, start: int, end: int) -> tuple[libcst.BaseExpression, _Code] | None:
    """The expression in ``text[start:end]``, read in parentheses, for it may span lines; None if it is none."""
    import libcst

    try:
        module = libcst.parse_module("(" + text[start:end].decode() + ")")
    except libcst.ParserSyntaxError:
        return None
    match module.body:
        case [libcst.SimpleStatementLine(body=[libcst.Expr(value=value)])]:
            node = value
        case _:
            return None
    node = node.with_changes(lpar=node.lpar[1:], rpar=node.rpar[:-1])
    code = _Code(module)
    return (node, code) if code(node).encode() == text[start:end] else None


def _contents(node: libcst.CSTNode, at: int, code: _Code) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of each stretch of literal characters in a string node at offset ``at``."""
    import libcst

    if isinstance(node, libcst.SimpleString):
        value = node.value.encode()
        quotes = len(node.quote)
        opening = len(node.prefix) + quotes
        yield at + opening, value[opening : len(value) - quotes]
    elif isinstance(node, libcst.FormattedString):
        at += len(node.start.encode())
        for part in node.parts:
            piece = code(part).encode()
            if isinstance(part, libcst.FormattedStringText):
                yield at, piece
            at += len(piece)
    elif isinstance(node, libcst.ConcatenatedString):
        yield from _contents(node.left, at, code)
        right = at + len((code(node.left) + code(node.whitespace_between)).encode())
        yield from _contents(node.right, right, code)
