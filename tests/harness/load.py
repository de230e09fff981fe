"""Load from many connections that knows all it has asked for: one thread a connection, until the broker is gone."""

import random
import threading
from collections import deque

from .history import Ack, Add, Delete, Group, Increment, Pop, Push, Read, State, Trim, body
from .resp import Error, Wire, decode, encode

KEPT = [f"kept:{number}" for number in range(24)]
QUEUES = ["queue:0", "queue:1"]
GROUPS = ["g", "h"]
# Longest, by key. The large one is what fills segments, so that checkpoints are due and space comes back.
CAPPED = {"capped:0": 7, "capped:1": 50, "large": 40}
LARGE_BYTES = 60_000
SHRUNK = ["deleted", "trimmed"]
COUNTERS = ["counter:0", "counter:1"]
LISTS = ["list:0", "list:1"]


def parse_id(text):
    return tuple(int(part) for part in text.split(b"-"))


def show_id(id_):
    return "%d-%d" % id_


def size_of(key, number):
    return LARGE_BYTES if key == "large" else number * 37 % 400


def fields(key, who, number):
    return ("who", who, "n", number, "body", body(who, number, size_of(key, number)))


def parse_entry(key, entry):
    """An entry as (id, name, whether it is whole)."""
    id_, (_, who, _, number, _, text) = entry
    who, number = who.decode(), int(number)
    return parse_id(id_), (who, number), text.decode() == body(who, number, size_of(key, number))


class Refused(Exception):
    """An answer that is an error, to what was in order."""


class Connection(threading.Thread):
    """Works until the connection ends, then stops."""

    def __init__(self, port, history, who, seed):
        super().__init__(daemon=True)
        self.wire = Wire(port)
        self.history, self.who = history, who
        self.random = random.Random(f"{seed} {who}")
        self.answers, self.failure = 0, None

    def run(self):
        try:
            self.work()
        except (OSError, EOFError):
            pass
        except Exception as error:
            self.failure = f"{self.who}: {error!r}"

    def reply(self):
        try:
            frame = self.wire.frame()
        except AssertionError as error:
            # Cut off inside a reply: it does not count as answered.
            raise EOFError from error
        if not frame:
            raise EOFError
        reply = decode(frame)
        if isinstance(reply, Error):
            raise Refused(reply)
        self.answers += 1
        return reply

    def ask(self, op, *words):
        """One operation, and its answer."""
        self.history.begin(op)
        self.wire.send(*words)
        op.answered(self.reply())
        return op.reply

    def op(self, kind, **more):
        return kind(self.who, self.history.now(), **more)


class Adder(Connection):
    """Adds, some in flight; to one of the keys, or in a transaction to several."""

    def __init__(self, *args, keys, window, keys_at_once=1, maxlen=None):
        super().__init__(*args)
        self.keys, self.window, self.keys_at_once, self.maxlen = keys, window, keys_at_once, maxlen

    def work(self):
        flying, number = deque(), 0
        while True:
            sent = b""
            while len(flying) < self.window:
                keys = tuple(self.random.sample(self.keys, self.keys_at_once))
                op = self.history.begin(self.op(Add, keys=keys, number=number, maxlen=self.maxlen))
                sent += self.words(op)
                flying.append(op)
                number += 1
            self.wire.send_raw(sent)
            self.take(flying.popleft())

    def words(self, op):
        capped = [] if op.maxlen is None else ["MAXLEN", op.maxlen]
        adds = [encode("XADD", key, *capped, "*", *fields(key, op.process, op.number)) for key in op.keys]
        return adds[0] if len(adds) == 1 else b"".join([encode("MULTI"), *adds, encode("EXEC")])

    def take(self, op):
        if len(op.keys) == 1:
            op.answered([parse_id(self.reply())])
            return
        for _ in range(len(op.keys) + 1):
            self.reply()
        op.answered([parse_id(id_) for id_ in self.reply()])


class Shrinker(Connection):
    """Adds to a stream that is its own, and deletes or trims what it has added."""

    def __init__(self, *args, key):
        super().__init__(*args)
        self.key = key

    def work(self):
        there, number = [], 0
        while True:
            add = self.op(Add, keys=(self.key,), number=number)
            self.history.begin(add)
            self.wire.send("XADD", self.key, "*", *fields(self.key, self.who, number))
            add.answered([parse_id(self.reply())])
            there.append(add.reply[0])
            number += 1
            if self.random.random() < 0.3:
                place = self.random.randrange(len(there))
                id_ = there[place]
                if self.key == "deleted":
                    there.pop(place)
                    self.ask(self.op(Delete, key=self.key, id=id_), "XDEL", self.key, show_id(id_))
                else:
                    there = there[place:]
                    self.ask(self.op(Trim, key=self.key, minid=id_), "XTRIM", self.key, "MINID", show_id(id_))


class Consumer(Connection):
    """Takes what it had not acknowledged when it died, then what is new; acknowledges most of it."""

    def __init__(self, *args, key, group, consumer, pending):
        super().__init__(*args)
        self.key, self.group, self.consumer, self.pending = key, group, consumer, pending

    def work(self):
        read = ["XREADGROUP", "GROUP", self.group, self.consumer, "COUNT"]
        self.wire.send(*read, 100_000, "STREAMS", self.key, "0")
        found = [parse_id(id_) for _, entries in self.reply() or [] for id_, _ in entries]
        if found != self.pending:
            raise Refused(f"{self.consumer} had {len(self.pending)} pending, and reads {len(found)}")
        self.acknowledge(found[: len(found) // 2])
        while True:
            count = self.random.randrange(1, 20)
            op = self.history.begin(self.op(Read, key=self.key, group=self.group, consumer=self.consumer))
            self.wire.send(*read, count, "BLOCK", 2, "STREAMS", self.key, ">")
            entries = [parse_entry(self.key, entry) for _, page in self.reply() or [] for entry in page]
            if not all(is_intact for *_, is_intact in entries):
                raise Refused("a body is not what was sent")
            op.answered([(id_, name) for id_, name, _ in entries])
            self.acknowledge([id_ for id_, *_ in entries if self.random.random() < 0.95])

    def acknowledge(self, ids):
        if ids:
            op = self.op(Ack, key=self.key, group=self.group, ids=tuple(ids))
            self.ask(op, "XACK", self.key, self.group, *map(show_id, ids))


class Counter(Connection):
    """Counts."""

    def __init__(self, *args, key):
        super().__init__(*args)
        self.key = key

    def work(self):
        while True:
            self.ask(self.op(Increment, key=self.key), "INCR", self.key)


def element(name):
    who, number = name
    return body(who, number, 20 + number * 31 % 300)


def parse_element(text):
    who, number, _ = text.decode().split(":", 2)
    name = who, int(number)
    if text.decode() != element(name):
        raise Refused(f"the element {name} is not what was pushed")
    return name


class Pusher(Connection):
    """Pushes to the end of lists, some in flight."""

    def work(self):
        flying, number = deque(), 0
        while True:
            while len(flying) < 4:
                op = self.history.begin(self.op(Push, key=self.random.choice(LISTS), number=number))
                self.wire.send("RPUSH", op.key, element(op.name))
                flying.append(op)
                number += 1
            flying.popleft().answered(self.reply())


class Popper(Connection):
    """Pops from the beginning of a list."""

    def __init__(self, *args, key):
        super().__init__(*args)
        self.key = key

    def work(self):
        while True:
            op = self.history.begin(self.op(Pop, key=self.key))
            self.wire.send("LPOP", self.key)
            found = self.reply()
            op.answered(found and parse_element(found))


def connections(port, history, seed, round_, knows):
    """All connections of one life of the broker, with what it `knows` beside streams."""
    pending = {}
    for (key, group), found in history.known.groups.items():
        for id_, consumer in sorted(found.pending.items()):
            pending.setdefault((key, group, consumer), []).append(id_)

    def start(kind, who, **more):
        return kind(port, history, f"{who}-{round_}", seed, **more)

    yield from (start(Adder, f"a{at}", keys=KEPT, window=1 + 5 * (at % 4)) for at in range(8))
    yield from (start(Adder, f"t{at}", keys=KEPT, window=4, keys_at_once=3) for at in range(3))
    yield from (start(Adder, f"q{at}", keys=QUEUES, window=4) for at in range(2))
    for at, key in enumerate([*CAPPED, "large", "large"]):
        yield start(Adder, f"c{at}", keys=[key], window=4, maxlen=CAPPED[key])
    yield from (start(Shrinker, f"s{at}", key=key) for at, key in enumerate(SHRUNK))
    for key in QUEUES:
        for group in GROUPS:
            for name in ("one", "two"):
                mine = pending.get((key, group, name), [])
                who = f"{key}-{group}-{name}"
                yield start(Consumer, who, key=key, group=group, consumer=name, pending=mine)
    if "INCR" in knows:
        yield from (start(Counter, f"n{at}", key=COUNTERS[at % 2]) for at in range(3))
    if "RPUSH" in knows:
        yield from (start(Pusher, f"p{at}") for at in range(2))
        yield from (start(Popper, f"o{at}", key=LISTS[at % 2]) for at in range(3))


def make_groups(port, history):
    """The groups, before there is anything to read."""
    with Wire(port) as wire:
        for key in QUEUES:
            for group in GROUPS:
                assert wire.call("XGROUP", "CREATE", key, group, "0", "MKSTREAM") == b"OK"
                history.known.groups[key, group] = Group()


def known_commands(port):
    """What there is beside streams to put load on."""
    with Wire(port) as wire:
        return {name for name in ("INCR", "RPUSH") if wire.call("COMMAND", "INFO", name) != [None]}


def shorten(port, history, longest, kept):
    """Cuts what has become long, so that reading everything stays quick."""
    with Wire(port) as wire:
        for key, entries in history.known.streams.items():
            if len(entries) > longest and key not in CAPPED:
                op = history.begin(Trim("shortening", history.now(), key=key, minid=entries[-kept][0]))
                op.answered(wire.call("XTRIM", key, "MINID", show_id(op.minid)))


def read_all(port, knows):
    """Everything the broker has."""
    state = State()
    with Wire(port) as wire:
        for key in [*KEPT, *QUEUES, *CAPPED, *SHRUNK]:
            entries, after = [], "-"
            while page := wire.call("XRANGE", key, after, "+", "COUNT", 10 if key == "large" else 200):
                entries += [parse_entry(key, entry) for entry in page]
                after = f"({show_id(entries[-1][0])}"
            state.streams[key] = entries
        for key in QUEUES:
            for found in wire.call("XINFO", "GROUPS", key):
                found = dict(zip(found[::2], found[1::2]))
                group = found[b"name"].decode()
                pending = wire.call("XPENDING", key, group, "-", "+", 1_000_000)
                owners = {parse_id(id_): consumer.decode() for id_, consumer, *_ in pending}
                state.groups[key, group] = Group(parse_id(found[b"last-delivered-id"]), owners)
        for key in COUNTERS if "INCR" in knows else []:
            state.counters[key] = int(wire.call("GET", key) or 0)
        for key in LISTS if "RPUSH" in knows else []:
            state.lists[key] = [parse_element(text) for text in wire.call("LRANGE", key, 0, -1)]
    return state
