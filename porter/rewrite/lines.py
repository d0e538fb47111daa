"""Edits of files that are not Python: a word, an entry or a line goes, and everything else keeps its layout.

Each function takes ``text`` (as `Source.shown` has it) and the span of what goes, and gives edits that take away no
more than the span, the blanks and separators that held it, and the rest of a line that is then empty. None where
what is left would not be what it was: a list without elements, a block without commands.
"""

from __future__ import annotations

import re

from porter.rules.base import Edits, TextEdit

_BLANKS = b" \t"
_REST = re.compile(rb"[ \t]*(?:(?:#|//)[^\n]*)?\r?(?:\n|\Z)")  # of a line: blanks and a comment
_LINE_LEADS = re.compile(rb"[ \t]*(?:export[ \t]+|override[ \t]+|-e[ \t=]+|--editable[ \t=]+)?\Z")
_COMMAND_LEADS = re.compile(rb"[ \t]*(?:(?:RUN|ENV|ARG|CMD)[ \t]+)?[@-]*\Z", re.IGNORECASE)
_CONTINUED = re.compile(rb"[ \t]*\\\r?\n[ \t]*")
_AND = re.compile(rb"[ \t]*&&(?:[ \t]|\\\r?\n)*")
_AND_BEFORE = re.compile(rb"(?:[ \t]|\\\r?\n)*&&(?:[ \t]|\\\r?\n)*\Z")
_OPENS = re.compile(rb"(?:\b(?:then|do|else)|[{(:])[ \t]*(?:#[^\n]*)?\Z")  # a block, which needs a command
_CLOSES = re.compile(rb"\s*(?:(?:fi|done|else|elif|esac)\b|;;|[})]|\Z)")
_ITEM = re.compile(rb"[ \t]*(?:-[ \t]+)*[\"']?\Z")
_KEYED = re.compile(rb"([ \t]*(?:-[ \t]+)*)[\"']?[^\s:#'\"{}\[\],]+[\"']?[ \t]*:[ \t]+")
_KEY = re.compile(rb"(?:\"[^\"\n]*\"|'[^'\n]*'|[\w./-]+)[ \t]*[:=][ \t]*\Z")
_VALUE = re.compile(rb"[ \t]*([:=])[ \t]*(?:\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'|[\w.+-]+)")
_COMMA = re.compile(rb"[ \t]*,[ \t]*")


def line_start(text: bytes, at: int) -> int:
    """Where the line begins that holds ``at``."""
    return text.rfind(b"\n", 0, at) + 1


def line_end(text: bytes, at: int) -> int:
    """Where the next line begins, or the text ends."""
    return (text.find(b"\n", at) + 1) or len(text)


def quoted(text: bytes, start: int, end: int) -> tuple[int, int]:
    """The span with the quotes around it, if any."""
    quote = text[start - 1 : start]
    inside = quote in (b'"', b"'") and text[end : end + 1] == quote
    return (start - 1, end + 1) if inside else (start, end)


def drop_line(text: bytes, start: int, end: int) -> Edits | None:
    """Take away the line that begins with the span, with its continuation lines: a requirement, an assignment."""
    begin = line_start(text, start)
    if not _LINE_LEADS.match(text[begin:start]):
        return None
    stop = line_end(text, end)
    while stop < len(text) and text[:stop].rstrip(b"\r\n").endswith(b"\\"):
        stop = line_end(text, stop)
    return (TextEdit(begin, stop, ""),)


def drop_word(text: bytes, start: int, end: int) -> Edits:
    """Take away one word of a command, with the line if it has one for itself."""
    begin = line_start(text, start)
    leads, continued = not text[begin:start].strip(_BLANKS), _CONTINUED.match(text, end)
    alone = leads and (continued is not None or _REST.match(text, end) is not None)
    before = text[: max(0, begin - 1)].rstrip(b"\r")
    if alone and before.endswith(b"\\"):  # goes with the continuation before it, and leaves the one behind it
        return (TextEdit(len(before[:-1].rstrip(_BLANKS)), end, ""),)
    if continued is not None and leads:
        return (TextEdit(start, continued.end(), ""),)
    if leads:
        return (TextEdit(start, end + _blanks(text[end:]), ""),)
    left = len(text[:start].rstrip(_BLANKS))
    starts_command = left == start or text[left - 1 : left] in (b"(", b"`", b"{", b";", b"&", b"|", b"@")
    return (TextEdit(start, end + _blanks(text[end:]), "") if starts_command else TextEdit(left, end, ""),)


def _blanks(text: bytes) -> int:
    return len(text) - len(text.lstrip(_BLANKS))


def drop_command(text: bytes, start: int, end: int) -> Edits | None:
    """Take away a command: with its line, or out of a chain of ``&&``; None for the only one of a block."""
    begin = line_start(text, start)
    leads = _COMMAND_LEADS.match(text[begin:start]) is not None
    before = _AND_BEFORE.search(text, line_start(text, max(0, begin - 1)), start)
    if after := _AND.match(text, end):
        return (TextEdit(start, after.end(), ""),) if leads or before else None
    rest = _REST.match(text, end)
    if rest is None:
        return None
    if before is not None:
        return (TextEdit(before.start(), end, ""),)
    above = text[:begin].rstrip().rpartition(b"\n")[2]
    if not leads or above.endswith(b"\\") or (_OPENS.search(above) and _CLOSES.match(text, rest.end())):
        return None
    return (TextEdit(begin, rest.end(), ""),)


def drop_element(text: bytes, start: int, end: int) -> Edits | None:
    """Take away an element of a list in brackets, or a key with its value, and the comma; lists may end in a comma."""
    start, end = quoted(text, start, end)
    begin = line_start(text, start)
    if key := _KEY.search(text[begin:start]):  # a value goes with its key
        start = begin + key.start()
    own_line = not text[begin:start].strip(_BLANKS)
    if value := _VALUE.match(text, end):
        end = value.end()
        if value[1] == b"=" and own_line and (rest := _REST.match(text, end)):  # a key of a TOML table
            return (TextEdit(begin, rest.end(), ""),)
    comma = _COMMA.match(text, end)
    after = comma.end() if comma else end
    if own_line and (rest := _REST.match(text, after)):
        return (TextEdit(begin, rest.end(), ""),)
    if comma is not None:
        return (TextEdit(start, after, ""),)
    before = len(text[:start].rstrip(_BLANKS))
    return (TextEdit(before - 1, end, ""),) if text[before - 1 : before] == b"," else None


def drop_member(text: bytes, start: int, end: int) -> Edits | None:
    """`drop_element` in JSON, where nothing may end in a comma."""
    edits = drop_element(text, start, end)
    if edits is None or not text[: edits[0].start].rstrip().endswith(b","):
        return edits
    return None if text[edits[0].end :].lstrip()[:1] in (b"]", b"}") else edits


def drop_entry(text: bytes, start: int, end: int, *, item: bool = False) -> Edits | None:
    """Take away an entry of YAML in block style, with what is indented below it; None for the only one.

    A value goes with its key. ``item``: and that with the mapping in a list that it begins, ``- name: NAME``.
    """
    start, end = quoted(text, start, end)
    begin = line_start(text, start)
    if keyed := _KEYED.fullmatch(text, begin, start):
        if b"-" in keyed[1] and not item:
            return None
        start = begin + len(keyed[1])
    if not _ITEM.match(text[begin:start]):
        return drop_element(text, start, end)
    column = _blanks(text[begin:])
    listed = text[begin + column : begin + column + 1] == b"-"
    stop = line_end(text, end)
    while stop < len(text) and _belongs(text[stop : line_end(text, stop)], column, listed):
        stop = line_end(text, stop)
    while text[:stop].endswith((b"\n\n", b"\n\r\n")):  # blank lines belong to what follows
        stop = line_start(text, stop - 1)
    if not _has_sibling(text[:begin], text[stop:], column, listed):
        return None
    return (TextEdit(begin, stop, ""),)


def _belongs(line: bytes, column: int, listed: bool) -> bool:
    """Whether a line goes on with the entry in ``column``: a key's list may stand in the column of the key."""
    indent = _blanks(line)
    return not line.strip() or indent > column or (not listed and indent == column and _is_item(line[indent:]))


def _is_item(body: bytes) -> bool:
    return body.startswith((b"- ", b"-\n", b"-\r"))


def _has_sibling(before: bytes, after: bytes, column: int, listed: bool) -> bool:
    """Whether an entry of the same list, or mapping, in ``column`` stands above or below."""
    for lines in (reversed(before.splitlines()), after.splitlines()):
        for line in lines:
            indent = _blanks(line)
            body = line[indent:]
            if not body or body.startswith(b"#") or indent > column:
                continue
            if indent == column and _is_item(body) == listed:
                return True
            if indent < column or listed:  # the parent, or what follows it
                first_key = indent + len(body) - len(body.lstrip(b"- "))
                if not listed and _is_item(body) and first_key == column:
                    return True
                break
    return False


def stands_alone(text: bytes, start: int, end: int) -> bool:
    """Whether a command is all of its line, so that nothing depends on how it ends."""
    leads = _COMMAND_LEADS.match(text[line_start(text, start) : start])
    return leads is not None and _REST.match(text, end) is not None
