"""Large messages to many: sent from pages that all sockets share, or copied, and nobody can tell."""

import threading

import pytest
import redis

from harness.certificates import Certificates
from harness.naru import HeldPort
from harness.resp import Wire

# Of each way to listen: more than it takes for a message to get pages of its own.
EACH = 12
SIZES = [100, 40_000, (64 << 10) - 60, (64 << 10) + 1, 1 << 20, 3 << 20]


def free_port():
    held = HeldPort()
    held.release()
    return held.number


@pytest.fixture
def broker(naru, tmp_path):
    certificates = Certificates(tmp_path)
    certificate, key = certificates.signed("server")
    tls_port = free_port()
    path = tmp_path / "socket"
    broker = naru.broker(
        "--tls-port", str(tls_port), "--tls-cert-file", certificate, "--tls-key-file", key,
        "--tls-auth-clients", "no", "--unixsocket", path, port=free_port(),
    )  # fmt: skip
    broker.listeners = [
        dict(host="127.0.0.1", port=broker.port, protocol=2),
        dict(host="127.0.0.1", port=broker.port, protocol=3),
        dict(host="127.0.0.1", port=tls_port, ssl=True, ssl_ca_certs=str(certificates.authority)),
        dict(unix_socket_path=str(path)),
    ]
    return broker


def payload(number, size):
    """A text in which no part looks like another."""
    return b"".join(b"%d.%d;" % (number, place) for place in range(size // 4))[:size]


def listened(pubsub, count, heard):
    """Reads messages until there are as many."""
    messages = (message for message in pubsub.listen() if message["type"] in ("message", "pmessage"))
    for _, message in zip(range(count), messages):
        heard.append(message["data"])


def test_every_way_to_listen_hears_large_messages_whole_and_in_order(broker):
    messages = [payload(number, size) for number, size in enumerate(SIZES * 2)]
    pubsubs = [redis.Redis(**options).pubsub() for options in broker.listeners for _ in range(EACH)]
    for number, pubsub in enumerate(pubsubs):
        subscribe, topic = (pubsub.psubscribe, "lar*") if number % 3 == 0 else (pubsub.subscribe, "large")
        subscribe(topic)
        assert pubsub.get_message(timeout=10)["data"] == 1
    heard = [[] for _ in pubsubs]
    threads = [threading.Thread(target=listened, args=(pubsub, len(messages), into)) for pubsub, into in zip(pubsubs, heard)]
    for thread in threads:
        thread.start()
    with redis.Redis("127.0.0.1", broker.port) as publisher:
        assert [publisher.publish("large", message) for message in messages] == [len(pubsubs)] * len(messages)
    for thread in threads:
        thread.join()
    assert all(each == messages for each in heard)


def test_who_leaves_in_the_middle_of_a_large_message_takes_nobody_along(broker):
    large = payload(0, 4 << 20)
    with Wire(broker.port) as publisher:
        staying = [Wire(broker.port) for _ in range(EACH)]
        leaving = [Wire(broker.port) for _ in range(EACH)]
        for wire in staying + leaving:
            wire.send("SUBSCRIBE", "large")
            wire.reply()
        publisher.send("PUBLISH", "large", large)
        assert publisher.reply() == 2 * EACH
        for wire in leaving:
            wire.socket.recv(1000)
            wire.close()
        for wire in staying:
            assert wire.reply()[2] == large
        # Small ones behind it, and a command.
        publisher.send("PUBLISH", "large", "small")
        publisher.reply()
        for wire in staying:
            assert wire.reply()[2] == b"small"
            wire.send("PING")
            assert wire.reply() == [b"pong", b""]
            wire.close()
