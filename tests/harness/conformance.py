"""What RFC 6455 asks of a server, row by row, as the Autobahn test suite groups it. What is said are commands, since what is none
ends a session by its own rules."""

import itertools
from dataclasses import dataclass

from .websocket import BINARY, CLOSE, CONTINUATION, KEY, PING, PONG, TEXT, accepted, close, command, fragments, frame, octets, request


@dataclass
class Case:
    """What is sent behind the handshake and a `connect`, in pieces; and all that is answered. Where that does not end with a close
    frame, the connection goes on."""

    name: str
    section: str
    pieces: list
    answers: list


def answer(number, code=108):
    return "answer", number, code


def pong(payload=b""):
    return "pong", payload


def closed(code=None):
    return "close", code


BROKEN, NOT_UTF8, TOO_BIG, BAD_REQUEST = closed(1002), closed(1007), closed(1009), closed(3501)


def framing():
    """1: lengths, masks."""
    for size in [30, 124, 125, 126, 127, 128, 65535, 65536, 128 << 10]:
        for kind, what in [(TEXT, "text"), (BINARY, "a binary message")]:
            yield Case(f"{what} of {size} bytes", "5.2, 5.6", [frame(command(2, size), kind)], [answer(2)])
    for size in [125, 126, 65535, 65536]:
        whole = frame(command(2, size))
        chopped = [whole[at : at + 997] for at in range(0, len(whole), 997)]
        yield Case(f"{size} bytes, chopped", "5.2", chopped, [answer(2)])
    yield Case("a frame octet by octet", "5.2", octets(frame(command(2, 130))), [answer(2)])
    for kind in [TEXT, BINARY]:
        # An empty message is one; that it is no command is for the session to say.
        yield Case(f"an empty message of kind {kind}", "5.2, 5.6", [frame(b"", kind)], [BAD_REQUEST])
        yield Case(f"a message larger than is taken, of kind {kind}", "7.4.1, 10.4", [frame(command(2, (128 << 10) + 1), kind)], [TOO_BIG])
    for width in [2, 8]:
        # Who sends has to choose the shortest; nothing is asked of who reads.
        yield Case(f"a length of {width} bytes where none is needed", "5.2", [frame(command(2), width=width)], [answer(2)])
    yield Case("a length of 8 bytes where 2 would do", "5.2", [frame(command(2, 300), width=8)], [answer(2)])
    for length in [(128 << 10) + 1, 1 << 32, (1 << 63) - 1]:
        yield Case(f"{length} bytes announced", "10.4", [b"\x81\xff" + length.to_bytes(8, "big") + bytes(4)], [TOO_BIG])
    for length in [1 << 63, (1 << 64) - 1]:
        yield Case(f"{length} bytes announced, whose first bit is set", "5.2", [b"\x81\xff" + length.to_bytes(8, "big") + bytes(4)], [TOO_BIG])
    yield Case("a mask of zeros", "5.3", [frame(command(2), mask=bytes(4))], [answer(2)])
    yield Case("a mask of ones", "5.3", [frame(command(2), mask=b"\xff" * 4)], [answer(2)])
    for kind in [TEXT, BINARY, PING, PONG, CLOSE]:
        payload = b"\x03\xe8" if kind == CLOSE else command(2)
        yield Case(f"kind {kind} without a mask", "5.1", [frame(payload, kind, is_masked=False)], [BROKEN])
    yield Case("a continuation without a mask", "5.1", [frame(command(2)[:5], final=False), frame(command(2)[5:], CONTINUATION, is_masked=False)], [BROKEN])
    yield Case("two messages in one piece", "5.2", [frame(command(2)) + frame(command(3))], [answer(2), answer(3)])


def pings():
    """2: pings and pongs."""
    for name, payload in [("nothing", b""), ("text", b"Hello, world!"), ("bytes", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), ("125 bytes", b"\xfe" * 125)]:
        yield Case(f"a ping with {name}", "5.5.2, 5.5.3", [frame(payload, PING)], [pong(payload)])
        yield Case(f"a ping with {name}, octet by octet", "5.5.2, 5.5.3", octets(frame(payload, PING)), [pong(payload)])
        yield Case(f"a pong with {name} that nobody has asked for", "5.5.3", [frame(payload, PONG)], [])
        yield Case(f"a pong with {name}, then a ping", "5.5.3", [frame(payload, PONG), frame(b"after", PING)], [pong(b"after")])
    for kind in [PING, PONG, CLOSE]:
        for size in [126, 127, 65536]:
            payload = b"\x03\xe8" + b"x" * (size - 2)
            yield Case(f"a control frame of kind {kind} with {size} bytes", "5.5", [frame(payload, kind)], [BROKEN])
        answers = {PING: [pong(b"\x03\xe8")], PONG: [], CLOSE: [closed(1000)]}[kind]
        yield Case(f"a control frame of kind {kind} with a length of two bytes", "5.5", [frame(b"\x03\xe8", kind, width=2)], answers)
        yield Case(f"a control frame of kind {kind} in two frames", "5.5", [frame(b"\x03\xe8", kind, final=False), frame(b"", CONTINUATION)], [BROKEN])
    ten = [frame(b"%d" % n, PING) for n in range(10)]
    pongs = [pong(b"%d" % n) for n in range(10)]
    yield Case("ten pings", "5.5.2, 5.5.3", ten, pongs)
    yield Case("ten pings in one piece", "5.5.2, 5.5.3", [b"".join(ten)], pongs)
    yield Case("ten pings, octet by octet", "5.5.2, 5.5.3", octets(*ten), pongs)
    thousand = [frame(b"%d" % n, PING) for n in range(1000)]
    yield Case("a thousand pings in one piece", "5.5.2, 5.5.3", [b"".join(thousand)], [pong(b"%d" % n) for n in range(1000)])


def reserved():
    """3 and 4: bits and kinds that nobody has agreed on."""
    for bits in range(1, 8):
        for kind in [TEXT, BINARY, PING, PONG, CLOSE]:
            payload = b"\x03\xe8" if kind == CLOSE else command(2)
            yield Case(f"reserved bits {bits:03b} on kind {kind}", "5.2", [frame(payload, kind, reserved=bits)], [BROKEN])
        yield Case(
            f"reserved bits {bits:03b} on a continuation",
            "5.2",
            [frame(command(2)[:5], final=False), frame(command(2)[5:], CONTINUATION, reserved=bits)],
            [BROKEN],
        )
    for name, cut in [("in one piece", lambda *all: [b"".join(all)]), ("octet by octet", octets)]:
        pieces = cut(frame(command(2)), frame(command(3), reserved=2), frame(b"", PING))
        yield Case(f"reserved bits between a message and a ping, {name}", "5.2", pieces, [answer(2), BROKEN])
    for kind in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]:
        for name, payload in [("nothing", b""), ("something", command(2))]:
            yield Case(f"reserved kind {kind} with {name}", "5.2", [frame(payload, kind)], [BROKEN])
        yield Case(f"reserved kind {kind} in two frames", "5.2", [frame(b"a", kind, final=False), frame(b"b", CONTINUATION)], [BROKEN])
        pieces = [frame(command(2)), frame(b"", kind), frame(b"", PING)]
        yield Case(f"reserved kind {kind} between a message and a ping", "5.2", pieces, [answer(2), BROKEN])
        pieces = [frame(command(2)[:5], final=False), frame(b"", kind), frame(command(2)[5:], CONTINUATION)]
        yield Case(f"reserved kind {kind} inside a message", "5.2", pieces, [BROKEN])


def fragmented():
    """5: messages in several frames."""
    text = command(2, 40)
    for kind in [TEXT, BINARY]:
        two, three = fragments(text[:7], text[7:], kind=kind), fragments(text[:1], text[1:30], text[30:], kind=kind)
        each = fragments(*(text[at : at + 1] for at in range(len(text))), kind=kind)
        for name, frames in [("two", two), ("three", three), ("as many frames as bytes", each)]:
            yield Case(f"kind {kind} in {name}", "5.4", frames, [answer(2)])
            yield Case(f"kind {kind} in {name}, in one piece", "5.4", [b"".join(frames)], [answer(2)])
            yield Case(f"kind {kind} in {name}, octet by octet", "5.4", octets(*frames), [answer(2)])
            between = list(itertools.chain.from_iterable([one, frame(b"%d" % n, PING)] for n, one in enumerate(frames)))
            pongs = [pong(b"%d" % n) for n in range(len(frames))]
            # That between the last frames stands before the answer, the one behind them after it or before.
            yield Case(f"kind {kind} in {name}, with pings between", "5.4", between[:-1], [*pongs[:-1], answer(2)])
            yield Case(f"kind {kind} in {name}, with pings between, octet by octet", "5.4", octets(*between[:-1]), [*pongs[:-1], answer(2)])
        empty = fragments(b"", b"", text, b"", kind=kind)
        yield Case(f"kind {kind}, with empty frames", "5.4", empty, [answer(2)])
        yield Case(f"kind {kind} of empty frames alone", "5.4", fragments(b"", b"", b"", kind=kind), [BAD_REQUEST])
        quarters = fragments(*[text.ljust(40 << 10)] + [b" " * (40 << 10)] * 3, kind=kind)
        yield Case(f"kind {kind}, larger than is taken when all is there", "10.4", quarters, [TOO_BIG])
        for other in [TEXT, BINARY]:
            pieces = [frame(text[:7], kind, final=False), frame(text, other)]
            yield Case(f"kind {other} inside a message of kind {kind}", "5.4", pieces, [BROKEN])
            pieces = [frame(text[:7], kind, final=False), frame(text[7:], other, final=False)]
            yield Case(f"the start of kind {other} inside one of kind {kind}", "5.4", pieces, [BROKEN])
    for final in [True, False]:
        for name, payload in [("nothing", b""), ("something", text)]:
            yield Case(f"a continuation of nothing, with {name}, {final=}", "5.4", [frame(payload, CONTINUATION, final)], [BROKEN])
        pieces = [*fragments(text[:7], text[7:]), frame(b"", CONTINUATION, final)]
        yield Case(f"a continuation behind a message, {final=}", "5.4", pieces, [answer(2), BROKEN])
    yield Case("pongs between frames", "5.4, 5.5.3", [frame(text[:7], final=False), frame(b"", PONG), frame(text[7:], CONTINUATION)], [answer(2)])
    both = fragments(text[:7], text[7:]) + fragments(command(3)[:5], command(3)[5:])
    yield Case("two messages in frames", "5.4", both, [answer(2), answer(3)])


GOOD = {
    "κόσμε": "κόσμε".encode(),
    "the last of one byte": b"\x7f",
    "the first of two": b"\xc2\x80",
    "the last of two": b"\xdf\xbf",
    "the first of three": b"\xe0\xa0\x80",
    "the last of three": b"\xef\xbf\xbf",
    "the first of four": b"\xf0\x90\x80\x80",
    "the last there is": b"\xf4\x8f\xbf\xbf",
    "the last before the surrogates": b"\xed\x9f\xbf",
    "the first behind the surrogates": b"\xee\x80\x80",
    "the replacement character": b"\xef\xbf\xbd",
    "no characters": b"\xef\xbf\xbe\xf0\x9f\xbf\xbe\xf3\xaf\xbf\xbf",
    "나루": "나루".encode(),
}

BAD = {
    "the first there is not": b"\xf4\x90\x80\x80",
    "four bytes of ones": b"\xf7\xbf\xbf\xbf",
    "the first of five": b"\xf8\x88\x80\x80\x80",
    "the last of five": b"\xfb\xbf\xbf\xbf\xbf",
    "the first of six": b"\xfc\x84\x80\x80\x80\x80",
    "the last of six": b"\xfd\xbf\xbf\xbf\xbf\xbf",
    "a continuation alone": b"\x80",
    "another": b"\xbf",
    "two of them": b"\x80\xbf",
    "all of them": bytes(range(0x80, 0xC0)),
    "the start of two": b"\xc3 ",
    "the start of three": b"\xe2\x82 ",
    "the start of four": b"\xf0\x9f\x98 ",
    "FE": b"\xfe",
    "FF": b"\xff",
    "a slash in two": b"\xc0\xaf",
    "a slash in three": b"\xe0\x80\xaf",
    "a slash in four": b"\xf0\x80\x80\xaf",
    "one byte in two": b"\xc1\xbf",
    "two in three": b"\xe0\x9f\xbf",
    "three in four": b"\xf0\x8f\xbf\xbf",
    "a zero in two": b"\xc0\x80",
    "a high surrogate": b"\xed\xa0\x80",
    "a low surrogate": b"\xed\xbf\xbf",
    "a pair of surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
    "κόσμε and a surrogate": "κόσμε".encode() + b"\xed\xa0\x80edited",
}


def texts():
    """6: text is UTF-8, also where frames cut it. A fault may be seen before the message ends."""
    head, tail = b'{"id":2,"rpc":{"method":"', b'"}}'
    for name, text in GOOD.items():
        whole = head + text + tail
        yield Case(f"{name}", "5.6, 8.1", [frame(whole)], [answer(2)])
        for cut in range(len(head) + 1, len(head) + len(text)):
            yield Case(f"{name}, cut at {cut - len(head)}", "5.6, 8.1", fragments(whole[:cut], whole[cut:]), [answer(2)])
        yield Case(f"{name}, in a frame a byte", "5.6, 8.1", fragments(*(whole[at : at + 1] for at in range(len(whole)))), [answer(2)])
    for name, text in BAD.items():
        whole = head + text + tail
        yield Case(f"{name}", "8.1", [frame(whole)], [NOT_UTF8])
        yield Case(f"{name}, octet by octet", "8.1", octets(frame(whole)), [NOT_UTF8])
        yield Case(f"{name}, in a frame a byte", "8.1", fragments(*(whole[at : at + 1] for at in range(len(whole)))), [NOT_UTF8])
        yield Case(f"{name}, in a frame of its own", "8.1", fragments(head, text, tail), [NOT_UTF8])
    for name, text in [("two", b"\xc3"), ("three", b"\xe2\x82"), ("four", b"\xf0\x9f\x98")]:
        yield Case(f"the start of {name} at the end", "8.1", [frame(head + text)], [NOT_UTF8])
        yield Case(f"the start of {name} at the end, in frames", "8.1", fragments(head, text, b""), [NOT_UTF8])
        pieces = [frame(head + text, final=False), frame(b"", PING), frame(b" " + tail, CONTINUATION)]
        yield Case(f"the start of {name} at a frame's border, and a ping", "8.1", pieces, [pong(), NOT_UTF8])
    # What is binary is not looked at as text; JSON is, by the session.
    yield Case("what is no UTF-8 in a binary message", "5.6", [frame(head + b"\xff" + tail, BINARY)], [BAD_REQUEST])


def closing():
    """7: the end."""
    yield Case("close without a code", "5.5.1", [close()], [closed()])
    yield Case("close with one byte", "5.5.1", [frame(b"\x03", CLOSE)], [BROKEN])
    yield Case("close, octet by octet", "5.5.1", octets(close(1000, b"bye")), [closed(1000)])
    for size in [0, 1, 122, 123]:
        yield Case(f"close with a reason of {size} bytes", "5.5.1", [close(1000, b"x" * size)], [closed(1000)])
    yield Case("close with a reason of 124 bytes", "5.5", [close(1000, b"x" * 124)], [BROKEN])
    for name, reason in GOOD.items():
        yield Case(f"close because of {name}", "5.5.1", [close(1000, reason)], [closed(1000)])
    for name, reason in BAD.items():
        yield Case(f"close because of {name}, which is no UTF-8", "5.5.1, 8.1", [close(1000, reason)], [NOT_UTF8])
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]:
        yield Case(f"close with {code}", "7.4", [close(code)], [closed(code)])
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]:
        for reason in [b"", b"reason"]:
            yield Case(f"close with {code} and {len(reason)} bytes", "7.4", [close(code, reason)], [BROKEN])
    end, text = close(1000), command(2)
    for name, more in [
        ("close", end),
        ("a ping", frame(b"", PING)),
        ("a message", frame(text)),
        ("what is no frame", b"\xff" * 20),
        ("a large message", frame(command(2, 100 << 10))),
    ]:
        # In one piece: later the connection may be over.
        yield Case(f"{name} behind close", "5.5.1", [end + more], [closed(1000)])
    yield Case("a message before close", "5.5.1", [frame(text) + end], [answer(2), closed(1000)])
    yield Case("a large message before close", "5.5.1", [frame(command(2, 100 << 10)) + end], [answer(2), closed(1000)])
    # It is for the session to end, which the client has done already.
    yield Case("no command before close", "5.5.1", [frame(b"no command") + end], [closed(1000)])
    yield Case("a message and no command before close", "5.5.1", [frame(text) + frame(b"no command") + end], [answer(2), closed(1000)])
    # So much is read at once, and the close frame when the session has ended already.
    whole_turn = frame(b"no command".ljust((16 << 10) - 8))
    yield Case("a turn of no command before close", "5.5.1", [whole_turn + end], [BAD_REQUEST])
    yield Case("close inside a message", "5.4, 5.5.1", [frame(text[:5], final=False) + end + frame(text[5:], CONTINUATION)], [closed(1000)])
    yield Case("close with reserved bits, behind a good one", "5.5.1", [end + frame(b"", CLOSE, reserved=7)], [closed(1000)])


CASES = [*framing(), *pings(), *reserved(), *fragmented(), *texts(), *closing()]


@dataclass
class Shake:
    """A handshake, and what is answered: the status, and headers that are so; none for one that is not there."""

    name: str
    section: str
    request: bytes
    # None where the connection ends without an answer.
    status: int | None
    headers: dict


def shake(name, section, sent, status=101, **headers):
    return Shake(name, section, sent, status, {name.replace("_", "-"): value for name, value in headers.items()})


def shakes():
    """How it begins."""
    yield shake("as it should be", "4.2.2", request(), sec_websocket_protocol=None, sec_websocket_extensions=None)
    for line in ["connection: upgrade", "CONNECTION: UPGRADE", "Connection: keep-alive, Upgrade", "Connection:Upgrade , keep-alive", "Connection: keep-alive\r\nConnection: Upgrade"]:
        yield shake(repr(line), "4.2.1 item 4", request(connection_line=line))
    for line in ["upgrade: WebSocket", "UPGRADE:WEBSOCKET", "Upgrade:  websocket  "]:
        yield shake(repr(line), "4.2.1 item 3", request(upgrade_line=line))
    for line in ["Upgrade: h2c, websocket", "Upgrade: websocket, h2c", "Upgrade: h2c\r\nUpgrade: websocket", "Upgrade: websocket\r\nUpgrade: websocket"]:
        yield shake(repr(line), "4.2.1 item 3", request(upgrade_line=line))
    for line in [None, "Connection: close", "Connection: keep-alive", "Connection: Upgrades", "Connection: no-upgrade", "Connection:"]:
        yield shake(repr(line) + " for connection", "4.2.1 item 4", request(connection_line=line), 426)
    for line in [None, "Upgrade: h2c", "Upgrade: websocket2", "Upgrade: websocket/13", "Upgrade: web socket", "Upgrade:"]:
        yield shake(repr(line) + " for upgrade", "4.2.1 item 3", request(upgrade_line=line), 426)
    yield shake("the key of the RFC", "1.3", request(key_line="Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), sec_websocket_accept="s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    # Sixteen bytes and the bits behind their end, which are none of theirs.
    yield shake("the other key of the RFC", "4.1", request(key_line="Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC=="), sec_websocket_accept=accepted("AQIDBAUGBwgJCgsMDQ4PEC=="))
    keys = {
        "no key": None,
        "an empty key": "",
        "a key of 15 bytes": "MTIzNDU2Nzg5MDEyMzQ1",
        "a key of 17 bytes": "MTIzNDU2Nzg5MDEyMzQ1Njc=",
        "a key of 18 bytes": "MTIzNDU2Nzg5MDEyMzQ1Njc4",
        "a key without its end": KEY.rstrip("="),
        "a key that is no base64": "!" * 22 + "==",
        "a key of the other base64": "_" * 21 + "w==",
        "a key with a blank in it": KEY[:10] + " " + KEY[11:],
    }
    for name, key in keys.items():
        yield shake(name, "4.2.1 item 5", request(key_line=key and f"Sec-WebSocket-Key: {key}"), 400)
    yield shake("two keys", "11.3.1", request(f"Sec-WebSocket-Key: {KEY}"), 400)
    for version in [None, "", "0", "7", "8", "12", "14", "255", "013", "13.0", "13, 8", "8, 13", "13;q=1", "thirteen"]:
        line = None if version is None else f"Sec-WebSocket-Version: {version}"
        yield shake(f"version {version!r}", "4.2.1 item 6, 4.4", request(version_line=line), 426, sec_websocket_version="13")
    yield shake("two versions", "11.3.5", request("Sec-WebSocket-Version: 8"), 426, sec_websocket_version="13")
    for method in ["POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "CONNECT", "get", "WEBSOCKET"]:
        yield shake(method, "4.2.1 item 1", request("Content-Length: 0", method=method), 405, allow="GET")
    yield shake("HTTP/1.0", "4.2.1 item 1", request(version="HTTP/1.0"), 426)
    for version in ["HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/3", "HTTP", "http/1.1", "WS/1.1"]:
        yield shake(version, "4.2.1 item 1", request(version=version), 400)
    for line, status in [("Content-Length: 0", 101), ("Content-Length: 5", 400), ("Transfer-Encoding: chunked", 400)]:
        yield shake(f"{line}", "4.2.1, RFC 9110 section 9.3.1", request(line), status)
    yield shake("no host", "4.2.1 item 2", request(host_line=None), 400)
    yield shake("two hosts", "4.2.1 item 2", request("Host: other.example"), 400)
    yield shake("a whole address", "4.2.1 item 1", request(path="http://chat.example/connection/websocket"))
    for path in ["/connection/websocket/", "/connection/WebSocket", "//connection/websocket", "/connection%2fwebsocket", "*"]:
        yield shake(f"at {path}", "3", request(path=path), 404)
    for offer, chosen in [
        ("chat", None),
        ("centrifuge-json", "centrifuge-json"),
        ("chat, centrifuge-json", "centrifuge-json"),
        ("centrifuge-json, centrifuge-protobuf", "centrifuge-protobuf"),
        ("chat\r\nSec-WebSocket-Protocol: centrifuge-json", "centrifuge-json"),
        ("Centrifuge-JSON", None),
        ("centrifuge-json2", None),
        ("", None),
        (",,", None),
    ]:
        yield shake(f"subprotocols {offer!r}", "4.2.2 item 5, 11.3.4", request(f"Sec-WebSocket-Protocol: {offer}"), sec_websocket_protocol=chosen)
    for offer in ["permessage-deflate", "permessage-deflate; client_max_window_bits, x-webkit-deflate-frame", "foo; bar=2", ",,;="]:
        yield shake(f"extensions {offer!r}", "4.2.2 item 5, 9.1", request(f"Sec-WebSocket-Extensions: {offer}"), sec_websocket_extensions=None)
    for name, bad in {
        "a header without a colon": "nothing",
        "a header without a name": ": x",
        "a blank before the colon": "X : y",
        "a folded header": "X: y\r\n z",
        "a zero in a header": "X: \0",
        "a name with a blank": "X Y: z",
        "a name that is no token": "X(): z",
        "CR alone": "X: y\rZ: z",
    }.items():
        yield shake(name, "4.1, RFC 9112 section 5", request(bad), 400)
    yield shake("64 headers", "4.2.1", request(*(f"X-{n}: y" for n in range(59))))
    yield shake("65 headers", "4.2.1", request(*(f"X-{n}: y" for n in range(60))), 431)
    yield shake("a head of 8,000 bytes", "4.2.1", request("X: ".ljust(8000 - len(request()) - 2, "y")))
    yield shake("a head of 9,000 bytes", "4.2.1", request("X: ".ljust(9000 - len(request()) - 2, "y")), 431)
    yield shake("TLS", "4.1", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32), 400)
    yield shake("HTTP/2", "4.1", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None)


SHAKES = list(shakes())
