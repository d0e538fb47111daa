"""Shell text as simple commands: words, assignments and expansions with their positions.

This is a reader, not a shell: it never fails, runs in linear time, and takes a broken script for the commands that
it would hold if it were not. Command substitutions, subshells, here documents and ``bash -c "..."`` are commands of
their own. Comments are dropped, save the directives of batch schedulers, which read as a command named ``#SBATCH``.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from porter.sources.files.view import BLANKS, View, Word, lines_of

_OUTER = re.compile(
    r"""(?P<plain>[^\s'"`\\$\#;&|<>()]+)
      | (?P<blank>(?:[^\S\n]|\\\r?\n)+)
      | (?P<comment>\#[^\n]*)
      | (?P<single>'[^']*')
      | (?P<quote>")
      | (?P<open>\$?\()
      | (?P<close>\))
      | (?P<tick>`)
      | (?P<string><<<)
      | (?P<heredoc><<-?[ \t]*\\?["']?(?P<tag>[A-Za-z_]\w*)["']?)
      | (?P<variable>\$\{?(?P<name>[A-Za-z_]\w*))
      | (?P<escape>\\[^\n])
      | (?P<redirect>[<>]+&?)
      | (?P<break>[;&|\n])
      | (?P<other>.)  # an apostrophe that nothing closes, too""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_QUOTED = re.compile(
    r"""(?P<plain>[^"`\\$]+)
      | (?P<quote>")
      | (?P<open>\$\()
      | (?P<tick>`)
      | (?P<variable>\$\{?(?P<name>[A-Za-z_]\w*))
      | (?P<join>\\\r?\n)
      | (?P<escape>\\.)
      | (?P<other>.)""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_DIRECTIVE = re.compile(r"#(?:SBATCH|PBS|BSUB|COBALT|OAR|\$)(?=[ \t])")
_WORD = re.compile(r"\S+", re.ASCII)
_OPTIONS = re.compile(r"(?:^.|\s)--\w", re.ASCII)
_RUN = re.compile(r"-[a-z]*c")
_SHELLS = frozenset(["sh", "bash", "zsh", "dash", "ksh"])
_NOT_SHELL = re.compile(r"(?:.*/)?(?:python[\d.]*|perl|ruby|node|awk|sed)$", re.ASCII)


class Command(NamedTuple):
    """A simple command. ``variables`` are the expansions in it: names without dollar sign."""

    words: list[Word]
    variables: list[Word]
    listed: bool = False  # the words are elements of a list: ["torchrun", "train.py"]


class _Frame:
    """A command under construction, in the text that ``closer`` ends."""

    __slots__ = ("closer", "parts", "quoted", "start", "variables", "words")

    def __init__(self, closer: str) -> None:
        self.closer = closer
        self.words: list[Word] = []
        self.variables: list[Word] = []
        self.parts: list[str] | None = None  # of the word under construction
        self.start = 0  # of that word
        self.quoted = False  # between double quotes

    def add(self, part: str, at: int) -> None:
        """Extend the word under construction, or begin one."""
        if self.parts is None:
            self.parts, self.start = [], at
        self.parts.append(part)

    def end_word(self, at: int) -> None:
        if self.parts is not None:
            self.words.append(Word("".join(self.parts), self.start, at))
            self.parts = None

    def end_command(self, at: int) -> Iterator[Command]:
        self.end_word(at)
        if self.words or self.variables:
            yield Command(self.words, self.variables)
            self.words, self.variables = [], []


def commands(view: View) -> Iterator[Command]:
    """The commands of a shell script. Inner ones come before the command that holds them."""
    reader = _Reader(view.text)
    while reader.spans:
        yield from reader.read(*reader.spans.pop())


def _scripts(text: str, words: list[Word]) -> Iterator[tuple[int, int]]:
    """The spans of shell text in quotes: what ``bash -c "script"`` runs, arguments kept in ``ARGS="--device cuda"``."""
    for word in words:
        name, _, value = text[word.start : word.end].partition("=")
        if value[:1] in ('"', "'") and value[-1] == value[0] and name.isidentifier() and _OPTIONS.search(value):
            yield word.end - len(value) + 1, word.end - 1
    for program, option, script in zip(words, words[1:], words[2:], strict=False):
        if program.value.rpartition("/")[2] in _SHELLS and _RUN.fullmatch(option.value):
            quote = text[script.start]
            if quote in "\"'" and text[script.end - 1] == quote and script.end - script.start > 1:
                yield script.start + 1, script.end - 1


class _Reader:
    """Reads spans of one text. What a span holds of other scripts is put off to a span of its own."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.spans = [(0, len(text))]
        self.tags: list[tuple[str, bool]] = []  # here documents announced on this line: end marker, whether shell
        self.line_starts: dict[str, list[int]] | None = None

    def read(self, at: int, end: int) -> Iterator[Command]:
        """Commands of ``at:end``."""
        stack = [_Frame("")]
        while at < end:
            frame = stack[-1]
            match = (_QUOTED if frame.quoted else _OUTER).match(self.text, at, end)
            assert match is not None  # the last alternative takes any character
            kind, token, start = match.lastgroup, match.group(), at
            at = match.end()
            if kind in ("plain", "other"):
                frame.add(token, start)
            elif kind == "single":
                frame.add(token[1:-1], start)
            elif kind == "escape":
                frame.add(token[1:], start)
            elif kind == "variable":
                frame.variables.append(Word(match["name"], *match.span("name")))
                frame.add(token, start)
            elif kind == "quote":
                frame.quoted = not frame.quoted
                frame.add("", start)
            elif kind == "comment" and frame.parts is not None:  # ${#array[@]}, page#anchor
                frame.add("#", start)
                at = start + 1
            elif kind == "comment":
                if _DIRECTIVE.match(token):
                    words = [Word(word.group(), *word.span()) for word in _WORD.finditer(self.text, start, at)]
                    yield Command(words, [])
            elif kind == "open" or (kind == "tick" and frame.closer != "`"):
                if token == "(":
                    yield from self.done(frame, start)
                else:
                    frame.add("$(...)", start)
                stack.append(_Frame("`" if kind == "tick" else ")"))
            elif kind in ("close", "tick"):
                yield from self.done(frame, start)
                if len(stack) > 1:
                    stack.pop()
            elif kind == "heredoc":
                frame.end_word(start)
                self.tags.append((match["tag"], not (frame.words and _NOT_SHELL.match(frame.words[0].value))))
            elif kind == "break":
                yield from self.done(frame, start)
                if token == "\n" and self.tags:
                    at = self.skip_documents(at, end)
            elif kind != "join":  # blank, redirection
                frame.end_word(start)
        for frame in reversed(stack):
            yield from self.done(frame, end)

    def done(self, frame: _Frame, at: int) -> Iterator[Command]:
        """The frame's command, which ends here; the script in ``bash -c "script"`` is read later."""
        for command in frame.end_command(at):
            self.spans += _scripts(self.text, command.words)
            yield command

    def skip_documents(self, at: int, end: int) -> int:
        """Where the here documents that start at ``at`` end. One without an end is read like any other text."""
        if self.line_starts is None:
            self.line_starts = defaultdict(list)
            for line in lines_of(self.text):
                self.line_starts[line.value.strip(BLANKS)].append(line.start)
        for tag, is_shell in self.tags:
            starts = self.line_starts.get(tag, [])
            i = bisect_left(starts, at)
            if i < len(starts) and starts[i] < end:
                if is_shell:
                    self.spans.append((at, starts[i]))
                at = self.text.find("\n", starts[i], end) + 1 or end
        self.tags = []
        return at
