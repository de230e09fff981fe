"""redis-py, unmodified, in both of its forms and both protocols."""

import asyncio
import threading
import time

import pytest
import redis
import redis.asyncio

from harness.waiting import PATIENCE, eventually

protocols = pytest.mark.parametrize("protocol", [2, 3])


@pytest.fixture
def connect(broker):
    """Connects clients, and closes them."""
    clients = []

    def connect(protocol, **options):
        clients.append(redis.Redis(port=broker.port, protocol=protocol, socket_timeout=PATIENCE, **options))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def next_message(subscriber):
    """The next message that is not a confirmation."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        message = subscriber.get_message(ignore_subscribe_messages=True, timeout=1)
        if message:
            return message["type"], message["pattern"], message["channel"], message["data"]
    raise AssertionError("no message came")


@protocols
def test_it_connects_and_names_itself(connect, protocol):
    client = connect(protocol, client_name="alice", decode_responses=True)
    assert client.ping()
    assert client.client_getname() == "alice"
    mine = next(it for it in client.client_list() if it["name"] == "alice")
    assert mine["lib-name"].startswith("redis-py")
    assert mine["resp"] == str(protocol)
    assert client.info()["redis_version"]
    assert client.client_info()["name"] == "alice"


@protocols
def test_channels_and_patterns_are_heard(connect, protocol):
    client = connect(protocol)
    with client.pubsub() as subscriber:
        subscriber.subscribe("news")
        subscriber.psubscribe("news*")
        eventually(lambda: client.pubsub_numpat() == 1, "the pattern is not there")
        assert client.pubsub_numsub("news", "other") == [(b"news", 1), (b"other", 0)]
        assert client.pubsub_channels() == [b"news"]
        assert client.publish("news", b"\x00\xff\r\n") == 2
        assert next_message(subscriber) == ("message", None, b"news", b"\x00\xff\r\n")
        assert next_message(subscriber) == ("pmessage", b"news*", b"news", b"\x00\xff\r\n")
        subscriber.unsubscribe()
        subscriber.punsubscribe()
        eventually(lambda: client.publish("news", "late") == 0, "still subscribed")


@protocols
def test_a_subscriber_in_a_thread_hears_everything_in_order(connect, protocol):
    client, heard, done = connect(protocol), [], threading.Event()
    subscriber = client.pubsub()

    def hear(message):
        heard.append(int(message["data"]))
        if len(heard) == 2000:
            done.set()

    subscriber.subscribe(count=hear)
    eventually(lambda: client.pubsub_numsub("count")[0][1] == 1, "not subscribed")
    thread = subscriber.run_in_thread(daemon=True)
    pipeline = client.pipeline(transaction=False)
    for number in range(2000):
        pipeline.publish("count", number)
    assert pipeline.execute() == [1] * 2000
    assert done.wait(PATIENCE)
    thread.stop()
    thread.join(PATIENCE)
    assert heard == list(range(2000))


@protocols
def test_streams(connect, protocol):
    client = connect(protocol, decode_responses=True)
    first = client.xadd("s", {"a": "1"})
    second = client.xadd("s", {"a": "2", "b": ""})
    assert client.xlen("s") == 2
    assert client.xrange("s") == [(first, {"a": "1"}), (second, {"a": "2", "b": ""})]
    assert client.xrevrange("s", count=1) == [(second, {"a": "2", "b": ""})]
    entries = [(second, {"a": "2", "b": ""})]
    read = client.xread({"s": first})
    assert (read.get("s") in (entries, [entries])) if isinstance(read, dict) else read == [["s", entries]]
    assert client.xread({"s": second}) in (None, [], {})
    assert client.xdel("s", first) == 1
    assert client.xtrim("s", maxlen=0, approximate=False) == 1
    assert client.type("s") == "stream" and client.exists("s") == 1
    assert client.delete("s") == 1 and client.exists("s") == 0
    with pytest.raises(redis.ResponseError, match="equal or smaller"):
        client.xadd("s", {"a": "1"}, id="5-5")
        client.xadd("s", {"a": "1"}, id="5-5")


@protocols
def test_a_blocked_read_returns_when_there_is_something(connect, protocol):
    reader, writer, got = connect(protocol), connect(protocol), []
    thread = threading.Thread(target=lambda: got.append(reader.xread({"s": "0"}, block=int(PATIENCE * 1000))))
    thread.start()
    entry = writer.xadd("s", {"a": "1"})
    thread.join(PATIENCE)
    assert got and entry in str(got[0]).encode()


@protocols
def test_a_blocked_read_returns_when_its_time_is_over(connect, protocol):
    started = time.monotonic()
    assert not connect(protocol).xread({"s": "0"}, block=300)
    assert 0.29 < time.monotonic() - started < PATIENCE


@protocols
def test_asyncio_channels_patterns_and_streams(broker, protocol):
    async def scene():
        client = redis.asyncio.Redis(port=broker.port, protocol=protocol, decode_responses=True)
        other = redis.asyncio.Redis(port=broker.port, protocol=protocol, decode_responses=True)
        async with client, other, client.pubsub() as subscriber:
            await subscriber.subscribe("news")
            await subscriber.psubscribe("n?ws")
            for _ in range(2):
                confirmed = await subscriber.get_message(timeout=PATIENCE)
                assert confirmed["type"] in ("subscribe", "psubscribe")
            assert await other.publish("news", "hi") == 2
            kinds = {(await subscriber.get_message(timeout=PATIENCE))["type"] for _ in range(2)}
            assert kinds == {"message", "pmessage"}

            reading = asyncio.create_task(client.xread({"s": "0"}, block=int(PATIENCE * 1000)))
            entry = await other.xadd("s", {"a": "1"})
            assert entry in str(await asyncio.wait_for(reading, PATIENCE))

    asyncio.run(scene())


@protocols
def test_its_lock_is_taken_by_one_and_ends_by_itself(connect, protocol):
    one, other = (connect(protocol).lock("lock", timeout=timeout, blocking=False) for timeout in (100, 100))
    assert one.acquire() and not other.acquire()
    assert one.locked() and one.owned() and not other.owned()
    # Giving it back is a script.
    with pytest.raises(redis.ResponseError, match="unknown command"):
        one.release()
    short = connect(protocol).lock("short", timeout=0.05, blocking=False)
    assert short.acquire()
    waits = connect(protocol).lock("short", timeout=100, blocking_timeout=PATIENCE, sleep=0.01)
    assert waits.acquire() and not short.owned()


def give_back(client, name, token):
    """Gives a lock back without a script; whether it was still ours."""
    with client.pipeline() as pipe:
        try:
            pipe.watch(name)
            if pipe.get(name) != token:
                return False
            pipe.multi()
            pipe.delete(name)
            return pipe.execute() == [1]
        except redis.WatchError:
            return False


@protocols
def test_a_lock_is_given_back_in_a_transaction(connect, protocol):
    client, done = connect(protocol), []

    def work(number):
        mine, token = connect(protocol), b"token-%d" % number
        for _ in range(20):
            eventually(lambda: mine.set("lock", token, nx=True, px=60_000), "the lock is not free")
            # Whoever has it is alone.
            done.append(int(mine.get("inside") or 0))
            mine.incr("inside")
            mine.decr("inside")
            assert give_back(mine, "lock", token)

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert done == [0] * 80
    client.set("lock", b"another's", px=60_000)
    assert not give_back(client, "lock", b"mine") and client.get("lock") == b"another's"
