"""WebSocket as RFC 6455 has it: each row of harness/conformance.py, byte by byte, at a chat server."""

import socket

import pytest

from harness.conformance import CASES, SHAKES
from harness.naru import Naru
from harness.program import Programs
from harness.sdks import token_of
from harness.websocket import BINARY, KEY, PING, Peer, accepted, close, command, field, fragments, frame, protobuf, request

LAST = 1_000_000


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    programs = Programs(tmp_path_factory.mktemp("websocket"))
    yield programs
    programs.end()


@pytest.fixture(scope="module")
def port(programs):
    naru = Naru(programs)
    server = naru.joined_server(naru.broker())
    return server.port


@pytest.fixture
def peer(port):
    with Peer(port) as peer:
        yield peer


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_sent_is_answered_as_the_rfc_says(peer, case):
    peer.sign_in()
    ends = case.answers and case.answers[-1][0] == "close"
    try:
        peer.send(*case.pieces)
    except ConnectionError:
        assert ends
    if ends:
        assert peer.to_the_end() == case.answers, case.section
        return
    peer.send(frame(command(LAST)))
    assert peer.up_to(("answer", LAST, 108)) == case.answers, case.section


@pytest.mark.parametrize("case", SHAKES, ids=lambda case: case.name)
def test_a_handshake_is_answered_as_the_rfc_says(peer, case):
    peer.send(case.request)
    head = peer.head()
    if case.status is None:
        assert head is None and not peer.read
        return
    assert head.status == case.status, (case.section, head.headers)
    if case.status == 101:
        assert (head.headers["upgrade"].lower(), head.headers["connection"].lower()) == ("websocket", "upgrade")
        assert head.headers["sec-websocket-accept"] in (accepted(KEY), case.headers.get("sec-websocket-accept"))
    assert {name: head.headers.get(name) for name in case.headers} == case.headers, case.section


def test_a_head_may_come_octet_by_octet_and_a_message_right_behind_it(peer):
    whole = request()
    peer.send(*(whole[at : at + 1] for at in range(len(whole))))
    assert peer.head().status == 101


def test_what_comes_right_behind_the_head_is_read(peer):
    peer.send(request() + frame(b"early", PING))
    assert peer.head().status == 101
    assert peer.frame() == ("pong", b"early")


def test_several_requests_may_come_before_the_one_that_becomes_a_websocket(peer):
    peer.send(request(method="POST") + request(version_line="Sec-WebSocket-Version: 8") + request())
    for status in (405, 426):
        head = peer.head()
        assert head.status == status
        peer.take(int(head.headers["content-length"]))
    assert peer.head().status == 101


@pytest.mark.parametrize("how", ["path", "subprotocol"])
@pytest.mark.parametrize("size", [40, 125, 126, 127, 65535, 65536])
def test_protobuf_is_framed_alike(peer, how, size):
    offers = ["Sec-WebSocket-Protocol: centrifuge-protobuf"] if how == "subprotocol" else []
    peer.send(request(*offers, path="/connection/websocket" + "?format=protobuf" * (how == "path")))
    assert peer.head().status == 101
    peer.send(frame(protobuf(1, field(4, field(1, token_of("alice").encode()))), BINARY))
    assert peer.frame() == ("answer", 1, None)
    # An rpc of a method that there is not, with a name so long that all of it has this size.
    messages = (protobuf(2, field(13, field(2, b"x" * length))) for length in range(max(size - 20, 0), size))
    whole = next(message for message in messages if len(message) == size)
    for message in ([frame(whole, BINARY)], fragments(whole[:9], whole[9:], kind=BINARY)):
        peer.send(*message)
        assert peer.frame() == ("answer", 2, 108)


def test_a_flood_of_pings_is_answered_and_others_do_not_wait(peer, port):
    peer.sign_in()
    count = 20_000
    with Peer(port) as other:
        other.sign_in()
        flood = b"".join(frame(b"%d" % n, PING) for n in range(count))
        for at in range(0, len(flood), 50_000):
            peer.send(flood[at : at + 50_000])
            # It is read meanwhile, as it has to be.
            peer.read += peer.socket.recv(1 << 16)
            other.send(frame(command(2)))
            assert other.frame() == ("answer", 2, 108)
    assert [peer.frame() for _ in range(count)] == [("pong", b"%d" % n) for n in range(count)]


@pytest.mark.parametrize("begun", [b"", b"\x81", frame(command(2))[:9], fragments(command(2)[:5], b"")[0]], ids=["nothing", "a header", "a frame", "a message"])
def test_who_says_no_more_is_gone(peer, begun):
    """RFC 6455, section 7.1.5: the connection is closed without a close frame."""
    peer.sign_in()
    peer.send(begun)
    peer.socket.shutdown(socket.SHUT_WR)
    assert peer.frame() is None


@pytest.mark.parametrize("ends", [close(1000), close(4000, b"why")], ids=["1000", "4000"])
def test_the_server_ends_the_connection_first(peer, ends):
    """RFC 6455, section 7.1.1: who has answered a close frame waits for the server to close."""
    peer.sign_in()
    peer.send(ends)
    assert peer.frame()[0] == "close"
    assert peer.frame() is None


def test_a_server_that_begins_to_close_does_not_wait_for_ever(peer):
    """RFC 6455, section 7.1.1: it may close at any time; here the other side never answers."""
    peer.sign_in()
    peer.send(frame(b"no command"))
    assert peer.frame() == ("close", 3501)
    assert peer.frame() is None
