"""Transcripts: what is said on several connections, read from text files.

    == a name for the case
    a> XADD s 1-1 f v        connection a says this; quoting as in a shell, with Python's escapes in "..."
    a> MULTI ; EXEC          connection a says these one right after the other
    a= *1\\r\\n$4\\r\\nPING\\r\\n   connection a sends these bytes
    a~ XREAD BLOCK 0 ...      as >, but it is not answered yet
    a<                        now it is
    a? OBJECT IDLETIME s      as >, but whole numbers in the answer are of the clock: only that they are numbers counts
    a@ TTL s                as >, but whole numbers in the answer are seconds of the clock: to the nearest ten they are the same
    ! why                     the line before is answered otherwise than by Redis, for this reason,
    | +OK\\r\\n                 namely so; without such a line in any way
    !2 why, !3 why            so, but only in RESP2, or RESP3

Every case runs with keys of its own: a word s, t or u alone, or followed by a colon, is made unique.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from .resp import encode


@dataclass
class Step:
    """One line: who sends what, and whether the answers may differ."""

    who: str
    sent: bytes
    shown: str
    mark: str = ">"
    # By version of the protocol.
    why_different: dict = field(default_factory=dict)
    expected: list = field(default_factory=list)


@dataclass
class Case:
    name: str
    steps: list


def unescape(text):
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1")


WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')


def words(line):
    """A line's words; in quotes with escapes."""
    for quoted, plain in WORD.findall(line):
        yield plain.encode() if plain else unescape(quoted)


def read(path):
    """The cases of a file."""
    cases = []
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        mark, text = line[:2], line[2:].strip()
        if mark == "==":
            cases.append(Case(text, []))
        elif mark[0] == "!":
            versions = [2, 3] if mark[1] == " " else [int(mark[1])]
            cases[-1].steps[-1].why_different |= dict.fromkeys(versions, text)
        elif mark == "| ":
            cases[-1].steps[-1].expected.append(unescape(text))
        else:
            sent = unescape(text) if mark[1] in "=<" else b"".join(encode(*words(it)) for it in text.split(" ; "))
            assert mark[1] in ">=~<?@" and mark[0].islower(), f"{path}:{number}: {line}"
            cases[-1].steps.append(Step(mark[0], sent, line, mark=mark[1]))
    return cases
