"""What no well-meaning client sends: hand-made cases of abuse, in the pieces in which they are sent."""

import random
from dataclasses import dataclass

from .resp import encode

MIB = 1 << 20

NO_COUNT = b"-ERR Protocol error: invalid multibulk length\r\n"


@dataclass
class Case:
    """One abuse. Between two pieces the server gets time to see that something is missing."""

    name: str
    pieces: list
    # Where Naru answers otherwise than Redis 7.0: why, and what it says.
    why_different: str = ""
    ours: bytes = b""
    is_closed: bool = True


def plain(name, *pieces):
    return Case(name, list(pieces))


NUMBERS = [
    "-1", "-2", "-0", "0", "00", "01", "+1", " 1", "1 ", "", "x", "1x", "0x1", "1.0", "1e3", "-", "--1",
    "2147483648", "-2147483649", "4294967296", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
    "18446744073709551615", "18446744073709551616", "99999999999999999999", "-99999999999999999999", "9" * 1000,
]  # fmt: skip


def numbers():
    """Numbers where a count or a length is announced."""
    for number in NUMBERS:
        shown = repr(number if len(number) < 30 else number[:3] + "…")
        count = f"*{number}\r\n".encode()
        yield plain(f"{shown} arguments", count)
        length = f"${number}\r\n".encode()
        yield plain(f"a name of {shown} bytes", b"*1\r\n" + length)
        yield plain(f"an argument of {shown} bytes", b"*2\r\n$4\r\nPING\r\n" + length)
    yield plain("an argument of a byte too many", b"*2\r\n$4\r\nPING\r\n$536870913\r\n")
    yield plain("an argument longer than announced", b"*2\r\n$4\r\nPING\r\n$3\r\nabcd\r\n")
    yield plain("an argument shorter than announced", b"*2\r\n$4\r\nPING\r\n$5\r\nabc\r\n")
    yield plain("a count without an end", b"*" + b"1" * 300_000)
    yield plain("a length without an end", b"*1\r\n$" + b"1" * 300_000)
    yield plain("as many arguments as there may be", b"*1048576\r\n$4\r\nPING\r\n" + b"$0\r\n\r\n" * (MIB - 1))
    yield Case(
        "an argument more",
        [b"*1048577\r\n$4\r\nPING\r\n" + b"$0\r\n\r\n" * MIB],
        "Redis 7.0 has taken the limit away; Naru keeps that of 6.2",
        b"-ERR Protocol error: invalid multibulk length\r\n",
    )


def frames():
    """Frames that are none, and ends of lines that are none."""
    for frame in [
        b"+PING\r\n", b"-ERR\r\n", b":1\r\n", b"$4\r\nPING\r\n", b"$-1\r\n", b"%1\r\n", b"~1\r\n", b">1\r\n", b"_\r\n",
        b"#t\r\n", b",1.5\r\n", b"(12\r\n", b"=8\r\ntxt:PING\r\n", b"!3\r\nERR\r\n", b"|1\r\n", b"*?\r\n", b"$?\r\n",
    ]:  # fmt: skip
        yield plain(f"{frame!r} as a command", frame)
    for inner in [b"+PING", b":4", b"*1\r\n$4\r\nPING", b"", b"PING", b"$", b"-1", b" $4"]:
        yield plain(f"{inner!r} as an argument", b"*1\r\n" + inner + b"\r\n")
    yield plain("CR without LF behind a count", b"*1\rX$4\r\nPING\r\n")
    yield plain("CR without LF behind a length", b"*1\r\n$4\rXPING\r\n")
    yield plain("CR without LF behind an argument", b"*1\r\n$4\r\nPING\rX")
    yield plain("no CR behind an argument", b"*1\r\n$4\r\nPINGXX")
    yield plain("LF alone behind a count", b"*1\n$4\r\nPING\r\n")
    yield plain("CR alone behind a line", b"PING\rPING\r\n")
    yield plain("LF alone behind a line", b"PING\nPING\n")
    yield plain("two CRs behind a line", b"PING\r\r\n")
    yield plain("LF and CR changed over", b"PING\n\rPING\n\r\n")
    yield Case("a zero for a count", [b"*\x00\r\n"], "Redis finds no end of line behind a zero", NO_COUNT)
    yield Case("a zero behind a count", [b"*1\x00\r\n"], "Redis finds no end of line behind a zero", NO_COUNT)


def lines():
    """Typed lines."""
    for line in [
        b'"', b"'", b'PING "', b"PING '", b'PING "a"b', b"PING 'a'b", b'PING "a', b"PING 'a\\'", b'PING "\\', b'"" ""',
        b'PING "\\x4"', b'PING "\\xzz"', b'PING "\\x41"', b"PING a'b", b'PING a"b', b"''", b"PING ''", b'PING "\\"" "',
    ]:  # fmt: skip
        yield plain(f"the line {line.decode()}", line + b"\r\n")
    yield plain("a line of blanks", b" \t \t \r\n")
    yield plain("a line without an end", b"a" * 300_000)
    yield plain("a line of 64 KiB in pieces", *[b"a" * 10_000] * 7)
    yield plain("a line of just below 64 KiB", b"PING " + b"a" * 65_000 + b"\r\n")
    yield plain("a line of many words", b"PING" + b" a" * 30_000 + b"\r\n")
    yield plain("many empty lines", b"\r\n" * 100_000)
    yield plain("many empty lines without CR", b"\n" * 100_000)
    yield plain("many empty commands", b"*0\r\n" * 100_000)
    yield plain("many commands of no arguments at all", b"*-1\r\n" * 100_000)


def halves():
    """Commands in pieces."""
    command = encode("ECHO", "hello")
    for cut in range(1, len(command)):
        yield plain(f"a command cut behind byte {cut}", command[:cut], command[cut:])
    yield plain("a command byte by byte", *[bytes([byte]) for byte in command])
    yield plain("a line byte by byte", *[bytes([byte]) for byte in b"ECHO hello\r\n"])
    yield plain("a large argument in pieces", b"*2\r\n$4\r\nECHO\r\n$200000\r\n", *[b"x" * 50_000] * 4, b"\r\n")


def other_protocols():
    """Clients of something else."""
    yield Case("HTTP GET", [b"GET / HTTP/1.1\r\n"], "Redis knows it by the host in the next line only")
    yield plain("HTTP GET with a host", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    yield plain("HTTP POST", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nPING\r\n")
    yield plain("HTTP POST in small letters", b"post / HTTP/1.1\r\n")
    yield plain("HTTP POST alone", b"POST\r\n")
    yield plain("POST as a command", encode("POST", "/", "HTTP/1.1"))
    yield plain("a host alone", b"Host: example.com\r\nPING\r\n")
    yield plain("a host in small letters", b"host: example.com\r\n")
    yield plain("Host: as a command", encode("Host:", "a"))
    for verb in ["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"]:
        request = f"{verb} / HTTP/1.1\r\nHost: a\r\n\r\nPUBLISH c m\r\n".encode()
        yield plain(f"HTTP {verb}", request)
    yield Case(
        "a TLS hello",
        [b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\x01" * 150 + b"\r\n"],
        "Redis takes it for a typed line",
    )
    yield plain("SSH", b"SSH-2.0-OpenSSH_9.6\r\n")
    yield plain("SMTP", b"EHLO example.com\r\n")
    yield plain("memcached", b"gets a\r\nversion\r\n")


def states():
    """What is allowed, but not there or not so often."""
    commands = {
        "MULTI in MULTI": ["MULTI", "MULTI", "PING", "EXEC"],
        "EXEC alone": ["EXEC", "DISCARD", "EXEC"],
        "WATCH in MULTI": ["MULTI", "WATCH a", "EXEC"],
        "an unknown word in MULTI": ["MULTI", "NONSENSE", "PING", "EXEC"],
        "a MULTI a thousand deep": ["MULTI"] * 1000 + ["EXEC"],
        "SUBSCRIBE in MULTI": ["MULTI", "SUBSCRIBE a", "EXEC", "UNSUBSCRIBE"],
        "MULTI while subscribed": ["SUBSCRIBE a", "MULTI", "EXEC", "UNSUBSCRIBE"],
        "leaving what was never joined": ["UNSUBSCRIBE", "PUNSUBSCRIBE a b", "SUNSUBSCRIBE a"] * 100,
        "joining the same again and again": ["SUBSCRIBE a a a"] * 300 + ["UNSUBSCRIBE"],
        "joining and leaving": ["SUBSCRIBE a", "UNSUBSCRIBE a"] * 1000,
        "unknown words": ["NONSENSE"] * 1000,
        "a very long unknown word": ["N" * 60_000],
        "an unknown word with very long arguments": [f"NONSENSE {'a' * 30_000} {'b' * 30_000}"],
        "names that are numbers": ["1", "-1", "*", "$", "2147483648"],
        "a name with a bar in it": ["client|list", "config|get a"],
        "wrong counts": ["PUBLISH", "PUBLISH a", "PUBLISH a b c", "SUBSCRIBE", "PING a b", "ECHO", "PUBSUB"],
        "unknown subcommands": ["CLIENT NONSENSE", "CONFIG NONSENSE", "PUBSUB NONSENSE a", f"PUBSUB {'n' * 5000}"],
        "databases that are not there": ["SELECT -1", "SELECT 99999999999999999999", "SELECT x"],
        "protocol versions that are not there": ["HELLO 1", "HELLO 4", "HELLO 99999999999999999999", "HELLO -3"],
        "a name for a client that is none": ['CLIENT SETNAME "a b"', 'CLIENT SETNAME "a\\n"', "CLIENT KILL x"],
        "a pause of ages": ["CLIENT PAUSE 99999999999999999999", "CLIENT PAUSE -1", "CLIENT PAUSE x"],
        "silence": ["CLIENT REPLY OFF", "PING", "NONSENSE", "CLIENT REPLY ON"],
        "QUIT in the middle": ["PING", "QUIT", "PING"],
        "quitting a transaction": ["MULTI", "PING", "QUIT"],
        "a reset in the middle": ["MULTI", "PING", "RESET", "EXEC"],
    }
    for name, said in commands.items():
        yield plain(name, "".join(f"{line}\r\n" for line in said).encode())
    yield plain("an empty name", encode(""))
    yield plain("an empty name with arguments", encode("", "a", "b"))
    yield plain("an empty channel", encode("SUBSCRIBE", "") + encode("PUBLISH", "", "m") + encode("UNSUBSCRIBE"))
    odd = bytes(range(256))
    yield plain("a channel of all bytes", encode("SUBSCRIBE", odd) + encode("UNSUBSCRIBE", odd))
    for size in [256, 65_536, MIB]:
        long = b"c" * size
        yield plain(f"a channel of {size} bytes", encode("SUBSCRIBE", long) + encode("UNSUBSCRIBE", long))
        yield plain(f"publishing to a channel of {size} bytes", encode("PUBLISH", long, "m"))
    for glob in [b"*" * 1000, b"[" * 1000, b"\\" * 1000, b"[a-" * 300, b"?" * 1000, b"*a" * 500, b"[^" + b"\xff" * 900]:
        told = encode("PSUBSCRIBE", glob) + encode("UNSUBSCRIBE") + encode("PUNSUBSCRIBE", glob)
        yield plain(f"the pattern {glob[:4].decode(errors='replace')}…", told)
        yield plain(f"channels like {glob[:4].decode(errors='replace')}…", encode("PUBSUB", "CHANNELS", glob))


CASES = [
    case for family in (numbers, frames, lines, halves, other_protocols, states) for case in family()
]
