"""Chat servers at a broker with a password."""

from harness.naru import logged
from harness.retrying import Sending

PASSWORD = "correct-horse"


def test_a_server_that_knows_it_is_let_in(naru, people):
    broker = naru.broker("--requirepass", PASSWORD)
    server = naru.server(f"redis://:{PASSWORD}@127.0.0.1:{broker.port}")
    server.program.wait_for(lambda it: logged(it, "connected to the broker"), "it was not let in")
    alice, bob = people("alice", server), people("bob", server)
    Sending(alice, "bob", 3).finish()
    assert bob.texts("bob", 3) == ["id 0", "id 1", "id 2"]
    assert PASSWORD not in server.program.log()


def test_one_that_does_not_says_so_without_saying_it(naru):
    broker = naru.broker("--requirepass", PASSWORD)
    for address in (f"127.0.0.1:{broker.port}", f":wrong-horse@127.0.0.1:{broker.port}"):
        server = naru.server(f"redis://{address}")
        said = server.program.wait_for(lambda it: logged(it, "password"), "it does not say what is wrong")
        assert "trying again" in said["message"]
        assert "wrong-horse" not in server.program.log()
