"""TLS on the broker's port, with real clients: redis-cli, redis-py, ioredis, and OpenSSL by Python."""

import re
import shutil
import signal
import socket
import ssl
import subprocess
from types import SimpleNamespace

import pytest
import redis

from harness.certificates import Certificates
from harness.naru import BINARY, ROOT, HeldPort, logged
from harness.resp import Wire, decode, encode, frame_end
from harness.waiting import PATIENCE, eventually

REDIS_CLI = shutil.which("redis-cli")


def free_port():
    held = HeldPort()
    held.release()
    return held.number


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.server = made.signed("server")
    made.client = made.signed("client", "ec")
    return made


class TlsBroker:
    """A broker whose only port is for TLS."""

    def __init__(self, naru, certificates, *arguments, server=None, clients="no", port=0):
        certificate, key = server or certificates.server
        self.port = free_port()
        self.ca = certificates.authority
        authority = [] if clients == "no" else ["--tls-ca-cert-file", self.ca]
        self.program = naru.start(
            "broker", "broker", "--memory", "--port", str(port), "--tls-port", str(self.port),
            "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", clients,
            *authority, *arguments,
        )  # fmt: skip
        self.ready = self.program.wait_for(lambda it: logged(it, "the broker is ready"), "no word of being ready")

    def cli(self, *words):
        command = [REDIS_CLI, "-p", str(self.port), "--tls", "--cacert", str(self.ca), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        return done.stdout + done.stderr

    def redis(self, **options):
        return redis.Redis("127.0.0.1", self.port, ssl=True, ssl_ca_certs=str(self.ca), **options)

    def connect(self, context=None, receive_buffer_bytes=None):
        plain = socket.socket()
        if receive_buffer_bytes:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        plain.settimeout(PATIENCE)
        plain.connect(("127.0.0.1", self.port))
        context = context or ssl.create_default_context(cafile=self.ca)
        return context.wrap_socket(plain, server_hostname="localhost")

    def says(self, *words):
        self.program.wait_for(lambda it: all(word in it.log() for word in words), f"did not say {words}")


def replies(connection, count):
    """The next frames of a raw connection."""
    data, frames = b"", []
    while len(frames) < count:
        end = frame_end(data)
        if end is None:
            more = connection.recv(1 << 20)
            assert more, "the connection was closed"
            data += more
        else:
            frames.append(decode(data[:end]))
            data = data[end:]
    assert not data
    return frames


def test_redis_cli_comes_by_tls(naru, certificates):
    broker = TlsBroker(naru, certificates)
    assert broker.cli("PING") == "PONG\n"
    assert " addr=127.0.0.1:" in broker.cli("CLIENT", "LIST")
    assert "address" not in broker.ready and broker.ready["tls_address"] == f"127.0.0.1:{broker.port}"
    assert f"tcp_port:{broker.port}\n" in broker.cli("INFO", "server").replace("\r", "")


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_both_versions_of_tls_are_spoken(naru, certificates, version):
    broker = TlsBroker(naru, certificates)
    context = ssl.create_default_context(cafile=certificates.authority)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with broker.connect(context) as connection:
        connection.sendall(encode("PING"))
        assert replies(connection, 1) == [b"PONG"]
        assert connection.version() == version.replace("_", ".")


def test_a_certificate_with_an_elliptic_key_will_do(naru, certificates):
    broker = TlsBroker(naru, certificates, server=certificates.signed("elliptic", "ec"))
    assert broker.cli("PING") == "PONG\n"


def test_redis_py_publishes_and_hears_by_tls(naru, certificates):
    broker = TlsBroker(naru, certificates)
    with broker.redis() as publisher, broker.redis() as listener, listener.pubsub() as subscriber:
        subscriber.subscribe("news")
        assert subscriber.get_message(timeout=PATIENCE)["type"] == "subscribe"
        for number in range(2000):
            publisher.publish("news", f"{number}")
        heard = [subscriber.get_message(timeout=PATIENCE)["data"] for _ in range(2000)]
        assert heard == [b"%d" % number for number in range(2000)]


def test_ioredis_publishes_and_hears_by_tls(naru, certificates):
    broker = TlsBroker(naru, certificates)
    script = """
        import fs from "node:fs";
        import Redis from "ioredis";
        const [port, ca] = process.argv.slice(-2);
        const options = { port: Number(port), host: "localhost", tls: { ca: fs.readFileSync(ca) } };
        const subscriber = new Redis(options), publisher = new Redis(options);
        await subscriber.subscribe("news");
        subscriber.on("message", (channel, text) => {
            console.log(channel, text);
            subscriber.disconnect();
            publisher.disconnect();
        });
        await publisher.publish("news", "hi");
    """
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script, "--", str(broker.port), str(certificates.authority)],
        cwd=ROOT / "tests/node", capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.stdout == "news hi\n", done.stderr


def test_many_subscribers_hear_many_messages_in_order(naru, certificates):
    broker = TlsBroker(naru, certificates)
    subscribers = [broker.connect() for _ in range(20)]
    for subscriber in subscribers:
        subscriber.sendall(encode("SUBSCRIBE", "news"))
        replies(subscriber, 1)
    with broker.connect() as publisher:
        for batch in range(20):
            texts = [f"{batch * 100 + number}" for number in range(100)]
            publisher.sendall(b"".join(encode("PUBLISH", "news", text) for text in texts))
            assert replies(publisher, 100) == [20] * 100
            for subscriber in subscribers:
                assert replies(subscriber, 100) == [[b"message", b"news", text.encode()] for text in texts]
    for subscriber in subscribers:
        subscriber.close()


def test_large_commands_and_replies_arrive_whole(naru, certificates):
    broker = TlsBroker(naru, certificates)
    large = bytes(range(256)) * (3 << 12)
    with broker.redis() as client:
        assert client.echo(large) == large
        with client.pipeline(transaction=False) as pipeline:
            for _ in range(20):
                pipeline.echo(large[:300_000])
            assert pipeline.execute() == [large[:300_000]] * 20


def test_who_reads_slowly_gets_everything_once_there_is_room(naru, certificates):
    broker = TlsBroker(naru, certificates)
    with broker.connect(receive_buffer_bytes=4096) as slow, broker.connect() as publisher:
        slow.sendall(encode("SUBSCRIBE", "news"))
        replies(slow, 1)
        texts = [bytes([65 + number % 26]) * 5000 for number in range(1000)]
        for text in texts:
            publisher.sendall(encode("PUBLISH", "news", text))
        assert replies(publisher, 1000) == [1] * 1000
        heard = replies(slow, 1000)
        assert [message[2] for message in heard] == texts


def test_who_does_not_read_is_closed_and_harms_nobody_else(naru, certificates):
    broker = TlsBroker(naru, certificates)
    with broker.connect(receive_buffer_bytes=4096) as stalled, broker.connect() as publisher:
        stalled.sendall(encode("SUBSCRIBE", "news"))
        replies(stalled, 1)
        text, sent = b"x" * (1 << 20), 0
        while sent < 64:
            publisher.sendall(encode("PUBLISH", "news", text))
            sent += 1
            if replies(publisher, 1) == [0]:
                break
        assert 30 < sent < 64
        broker.says("reads too slowly")
        assert broker.cli("PING") == "PONG\n"


def test_an_end_is_said_in_tls(naru, certificates):
    broker = TlsBroker(naru, certificates)
    with broker.connect() as connection:
        connection.sendall(encode("QUIT"))
        assert replies(connection, 1) == [b"OK"]
        # Not an SSLEOFError, which an end without close_notify raises.
        assert connection.recv(1) == b""


def test_a_client_without_certificate_is_refused_where_one_is_asked_for(naru, certificates):
    broker = TlsBroker(naru, certificates, clients="yes")
    assert "PONG" not in broker.cli("PING")
    broker.says("no agreement on TLS", "peer sent no certificates")
    certificate, key = certificates.client
    assert broker.cli("--cert", certificate, "--key", key, "PING") == "PONG\n"
    with broker.redis(ssl_certfile=str(certificate), ssl_keyfile=str(key)) as client:
        assert client.ping()


def test_a_certificate_of_another_authority_is_refused(naru, certificates, tmp_path):
    stranger, key = Certificates(tmp_path / "other", "another").signed("client")
    for clients in ("yes", "optional"):
        broker = TlsBroker(naru, certificates, clients=clients)
        assert "PONG" not in broker.cli("--cert", stranger, "--key", key, "PING")
        broker.says("invalid peer certificate")


def test_optional_takes_those_without_certificate_too(naru, certificates):
    broker = TlsBroker(naru, certificates, clients="optional")
    certificate, key = certificates.client
    assert broker.cli("PING") == "PONG\n"
    assert broker.cli("--cert", certificate, "--key", key, "PING") == "PONG\n"


def test_plain_and_tls_ports_serve_the_same_channels(naru, certificates):
    plain = free_port()
    broker = TlsBroker(naru, certificates, port=plain)
    with Wire(plain) as wire, broker.redis() as publisher:
        assert wire.call("SUBSCRIBE", "news") == [b"subscribe", b"news", 1]
        assert publisher.publish("news", "hi") == 1
        assert wire.reply() == [b"message", b"news", b"hi"]


def test_a_plain_client_at_the_tls_port_is_closed_and_the_log_says_where_to_go(naru, certificates):
    plain = free_port()
    broker = TlsBroker(naru, certificates, port=plain)
    with Wire(broker.port) as wire:
        wire.send("PING")
        assert wire.frame() == b""
    broker.says("it speaks no TLS", f"use port {plain}")


def test_a_tls_client_at_the_plain_port_is_closed_and_the_log_says_where_to_go(naru, certificates):
    plain = free_port()
    broker = TlsBroker(naru, certificates, port=plain)
    context = ssl.create_default_context(cafile=certificates.authority)
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        context.wrap_socket(socket.create_connection(("127.0.0.1", plain), PATIENCE), server_hostname="localhost")
    broker.says("it speaks TLS", f"use port {broker.port}")


def test_who_says_nothing_at_the_tls_port_is_closed(naru, certificates):
    broker = TlsBroker(naru, certificates)
    with Wire(broker.port) as silent, Wire(broker.port) as begun:
        begun.send_raw(b"\x16\x03\x01")
        assert silent.is_at_end() and begun.is_at_end()
    broker.says("it took longer than 10 s")


def test_a_renewed_certificate_is_taken_at_sighup(naru, certificates, tmp_path):
    first, second = certificates.signed("first"), certificates.signed("second")
    in_use = tmp_path / "in-use.crt", tmp_path / "in-use.key"

    def use(files):
        for source, target in zip(files, in_use):
            shutil.copy(source, target)

    def name():
        with broker.connect() as connection:
            return dict(pair[0] for pair in connection.getpeercert()["subject"])["commonName"]

    use(first)
    broker = TlsBroker(naru, certificates, server=in_use)
    with broker.connect() as old:
        assert name() == "first"
        use(second)
        assert name() == "first"
        broker.program.process.send_signal(signal.SIGHUP)
        eventually(lambda: name() == "second", "the new certificate is not in use")
        old.sendall(encode("PING"))
        assert replies(old, 1) == [b"PONG"]
    in_use[1].write_text("no key")
    broker.program.process.send_signal(signal.SIGHUP)
    broker.says("stay as they were", "in-use.key")
    assert name() == "second"


def refused(naru, *arguments):
    done = naru.run("broker", "--memory", "--port", 0, "--tls-port", free_port(), *arguments)
    assert done.returncode == 1 and "panicked" not in done.stderr and len(done.stderr.splitlines()) < 6, done.stderr
    return done.stderr


def test_what_is_wrong_with_the_files_is_said(naru, certificates, tmp_path):
    certificate, key = certificates.server
    letter = tmp_path / "letter.txt"
    letter.write_text("dear")
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", locked], check=True
    )

    def said(certificate, key, *more):
        more = more or ("--tls-auth-clients", "no")
        return refused(naru, "--tls-cert-file", certificate, "--tls-key-file", key, *more)

    assert "--tls-cert-file" in refused(naru)
    assert "--tls-key-file" in refused(naru, "--tls-cert-file", certificate)
    assert "--tls-ca-cert-file" in said(certificate, key, "--tls-auth-clients", "yes")
    assert "--tls-ca-cert-file" in refused(naru, "--tls-cert-file", certificate, "--tls-key-file", key)
    for wrong, expected in [
        (said("missing.crt", key), ["missing.crt", "No such file"]),
        (said(certificate, "missing.key"), ["missing.key", "No such file"]),
        (said(letter, key), ["letter.txt", "no certificate"]),
        (said(certificate, letter), ["letter.txt", "no private key"]),
        (said(certificate, locked), ["locked.key", "passphrase", "openssl pkey"]),
        (said(certificate, certificates.client[1]), [str(certificate), str(certificates.client[1]), "is not the one"]),
        (said(certificate, key, "--tls-ca-cert-file", letter), ["letter.txt", "--tls-ca-cert-file"]),
    ]:
        assert all(word in wrong for word in expected), (expected, wrong)


class Cli:
    """naru cli at a TLS broker; its home is the test's."""

    def __init__(self, broker, home):
        self.broker, self.home = broker, home

    def __call__(self, *words, stdin=""):
        done = subprocess.run(
            [BINARY, "cli", "-p", str(self.broker.port), *map(str, words)],
            input=stdin, capture_output=True, text=True, timeout=PATIENCE, env={"HOME": str(self.home)},
        )  # fmt: skip
        return done.stdout + done.stderr


def test_naru_cli_speaks_it_under_redis_clis_options(naru, certificates, tmp_path):
    broker = TlsBroker(naru, certificates)
    cli = Cli(broker, tmp_path)
    assert cli("--tls", "--cacert", broker.ca, "PING") == "PONG\n"
    assert cli("-h", "localhost", "--tls", "--cacert", broker.ca, "PING") == "PONG\n"
    assert cli("--tls", "--insecure", "PING") == "PONG\n"
    # Larger than a record, both ways; and many at once.
    large = "x" * 100_000
    assert cli("--tls", "--cacert", broker.ca, "ECHO", large) == large + "\n"
    assert cli("--tls", "--cacert", broker.ca, stdin="PING\n" * 500) == "PONG\n" * 500


def test_naru_cli_gives_up_on_who_does_not_answer_its_handshake(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cli = Cli(SimpleNamespace(port=silent.getsockname()[1]), tmp_path)
        assert "does not speak TLS on that port" in cli("--tls", "--insecure", "PING")


def test_naru_cli_says_why_tls_came_to_nothing(naru, broker, certificates, tmp_path):
    tls = TlsBroker(naru, certificates)
    cli = Cli(tls, tmp_path)
    other = Certificates(tmp_path / "other", "somebody else").authority
    assert "is of no authority that is known here" in cli("--tls", "--cacert", other, "PING")
    assert "not valid for name" in cli("--tls", "--cacert", tls.ca, "--sni", "elsewhere.example", "PING")
    assert "No such file" in cli("--tls", "--cacert", tmp_path / "nothing.crt", "PING")
    assert "does not speak TLS on that port" in Cli(broker, tmp_path)("--tls", "--insecure", "PING")
    assert "--tls" in cli("--cacert", tls.ca, "PING")


def test_naru_cli_shows_a_certificate(naru, certificates, tmp_path):
    broker = TlsBroker(naru, certificates, clients="yes")
    cli = Cli(broker, tmp_path)
    certificate, key = certificates.client
    assert cli("--tls", "--cacert", broker.ca, "--cert", certificate, "--key", key, "PING") == "PONG\n"
    assert "PONG" not in cli("--tls", "--cacert", broker.ca, "PING")


def test_a_certificate_made_as_the_manual_has_it_is_its_own_authority(naru, certificates, tmp_path):
    certificate, key = tmp_path / "broker.crt", tmp_path / "broker.key"
    manual = (ROOT / "docs/operating.md").read_text()
    [recipe] = re.findall(r"^    (openssl req(?:.*\\\n)*.*)$", manual, re.MULTILINE)
    words = recipe.replace("\\\n", " ").replace("broker.example.com", "localhost").split()
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    broker = TlsBroker(naru, certificates, server=(certificate, key))
    broker.ca = certificate
    assert Cli(broker, tmp_path)("-h", "localhost", "--tls", "--cacert", certificate, "PING") == "PONG\n"
    assert broker.cli("-h", "localhost", "PING") == "PONG\n"
