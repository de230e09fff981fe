"""Chat servers that reach their broker by TLS."""

import pytest

from harness.certificates import Certificates
from harness.naru import HeldPort, logged
from harness.retrying import Sending


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def tls_port(naru, certificates, tmp_path):
    """The port of a broker that has no other, and wants a certificate and a password."""
    held = HeldPort()
    certificate, key = certificates.signed("broker")
    held.release()
    program = naru.start(
        "broker", "broker", "--data", tmp_path / "data", "--port", "0", "--tls-port", str(held.number),
        "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", certificates.authority,
        "--requirepass", "secret",
    )  # fmt: skip
    program.wait_for(lambda it: logged(it, "the broker is ready"), "no word of being ready")
    return held.number


def test_two_servers_at_a_broker_by_tls(naru, people, certificates, tls_port):
    certificate, key = certificates.signed("chat-servers", "ec")
    servers = [
        naru.server(
            f"rediss://:secret@localhost:{tls_port}",
            "--broker-tls-ca-cert-file", certificates.authority,
            "--broker-tls-cert-file", certificate,
            "--broker-tls-key-file", key,
            name=f"server-{number}",
        )  # fmt: skip
        for number in (1, 2)
    ]
    for server in servers:
        server.program.wait_for(lambda it: logged(it, "connected to the broker"), "the broker was not reached")
    alice, bob = people("alice", servers[0]), people("bob", servers[1])
    Sending(alice, "bob", 30).finish()
    assert bob.texts("bob", 30) == [f"id {number}" for number in range(30)]
    shown = (
        "--broker-tls-ca-cert-file", certificates.authority,
        "--broker-tls-cert-file", certificate,
        "--broker-tls-key-file", key,
    )  # fmt: skip
    url = f"rediss://:secret@localhost:{tls_port}"
    traced = naru.run("trace", "dm:alice:bob", 1, "--broker", url, *shown)
    assert traced.returncode == 0 and "dm:alice:bob 1: a message by alice" in traced.stdout, traced.stderr
    untrusted = naru.run("trace", "dm:alice:bob", 1, "--broker", url)
    assert untrusted.returncode != 0 and "UnknownIssuer" in untrusted.stderr


@pytest.mark.parametrize(
    "trust, says",
    [
        ("nobody", "UnknownIssuer"),
        ("without a certificate", "does not let this server in"),
        ("another", "UnknownIssuer"),
    ],
)
def test_a_server_says_why_they_do_not_agree(naru, certificates, tls_port, tmp_path, trust, says):
    other = Certificates(tmp_path / "other", "somebody else")
    options = {
        "nobody": [],
        "without a certificate": ["--broker-tls-ca-cert-file", certificates.authority],
        "another": ["--broker-tls-ca-cert-file", other.authority],
    }[trust]
    server = naru.server(f"rediss://:secret@localhost:{tls_port}", *options)
    said = server.program.wait_for(lambda it: logged(it, says), "it does not say what is wrong")
    assert "trying again" in said["message"] and "secret" not in server.program.log()


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["--broker", "redis://localhost:1", "--broker-tls-ca-cert-file", "x"], "rediss://"),
        (["--broker", "rediss://localhost:1", "--broker-tls-ca-cert-file", "nothing.crt"], "nothing.crt"),
        (["--broker", "rediss://localhost:1", "--broker-tls-cert-file", "x"], "--broker-tls-key-file"),
        (["--broker-tls-ca-cert-file", "x"], "--broker"),
    ],
    ids=["plain", "no such file", "no key", "embedded"],
)
def test_what_does_not_go_together_is_refused(naru, arguments, says):
    done = naru.run("serve", "--port", "0", *arguments)
    assert done.returncode != 0 and says in done.stderr
