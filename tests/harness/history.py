"""What was asked of a broker, what it answered, and whether what it has after its death fits to that.

An operation that was answered has happened. One that was not may have happened or not, but wholly and once. After each
death everything is read and checked; what was read then is known, and may not change by itself either.
"""

import itertools
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field


def body(who, number, size):
    """What an entry holds: known from its name, so that every byte can be checked."""
    text = f"{who}:{number}:"
    return (text * (size // len(text) + 1))[:size]


@dataclass(slots=True, eq=False)
class Op:
    """One operation of one connection; `end` is None as long as it was not answered."""

    process: str
    start: float
    end: float | None = None
    reply: object = None

    def answered(self, reply):
        self.reply, self.end = reply, History.now()

    @property
    def is_ok(self):
        return self.end is not None


@dataclass(slots=True, eq=False)
class Add(Op):
    """XADD to each of these keys, in one transaction if there are several. The answer: an id for each."""

    keys: tuple = ()
    number: int = 0
    maxlen: int | None = None

    @property
    def name(self):
        return (self.process, self.number)


@dataclass(slots=True, eq=False)
class Delete(Op):
    """XDEL of one entry that is there, which nobody else deletes."""

    key: str = ""
    id: tuple = ()


@dataclass(slots=True, eq=False)
class Trim(Op):
    """XTRIM MINID."""

    key: str = ""
    minid: tuple = ()


@dataclass(slots=True, eq=False)
class Read(Op):
    """XREADGROUP of new entries. The answer: (id, name) of each."""

    key: str = ""
    group: str = ""
    consumer: str = ""


@dataclass(slots=True, eq=False)
class Ack(Op):
    """XACK of entries that are pending, which nobody else acknowledges."""

    key: str = ""
    group: str = ""
    ids: tuple = ()


@dataclass(slots=True, eq=False)
class Increment(Op):
    """INCR."""

    key: str = ""


@dataclass(slots=True, eq=False)
class Push(Op):
    """RPUSH of one element, named by the connection and this number."""

    key: str = ""
    number: int = 0

    @property
    def name(self):
        return (self.process, self.number)


@dataclass(slots=True, eq=False)
class Pop(Op):
    """LPOP. The answer: the element's name, or None."""

    key: str = ""


@dataclass
class Group:
    """A group as it was read: the last id delivered, and the consumer of each pending one."""

    last: tuple = (0, 0)
    pending: dict = field(default_factory=dict)


@dataclass
class State:
    """Everything a broker has, as it was read. An entry of a stream: its id, its name, and whether its body is as it was
    sent; of a list: its name."""

    streams: dict = field(default_factory=dict)
    groups: dict = field(default_factory=dict)
    counters: dict = field(default_factory=dict)
    lists: dict = field(default_factory=dict)


class History:
    """Operations since the last look, and the check of the next one against them."""

    def __init__(self):
        self.known = State()
        self.ops = []

    @staticmethod
    def now():
        return time.monotonic()

    def begin(self, op):
        # Appending to a list is safe from all threads.
        self.ops.append(op)
        return op

    def look(self, found):
        """What is wrong with what was found; from then on that is what is known."""
        complaints = list(check(self.known, self.ops, found))
        self.known, self.ops = found, []
        return complaints


def check(known, ops, found):
    """Everything in `found` that cannot have come of what was known and these operations."""
    kinds = defaultdict(list)
    for op in ops:
        kinds[type(op)].append(op)
    adds = defaultdict(list)
    for op in kinds[Add]:
        for place, key in enumerate(op.keys):
            adds[key].append((op, op.reply[place] if op.is_ok else None))
    removals = defaultdict(list)
    for op in [*kinds[Delete], *kinds[Trim]]:
        removals[op.key].append(op)
    for key in sorted({*known.streams, *found.streams, *adds}):
        before, after = known.streams.get(key, []), found.streams.get(key, [])
        yield from (f"{key}: {text}" for text in check_stream(before, adds[key], removals[key], after))
    yield from check_connections(kinds[Add], removals, found)
    reads, acks = defaultdict(list), defaultdict(list)
    for op in kinds[Read]:
        reads[op.key, op.group].append(op)
    for op in kinds[Ack]:
        acks[op.key, op.group].append(op)
    for at in sorted({*known.groups, *found.groups, *reads}):
        before, after = known.groups.get(at, Group()), found.groups.get(at)
        if after is None:
            yield f"{at}: the group is gone"
            continue
        entries = found.streams.get(at[0], [])
        yield from (f"{at}: {text}" for text in check_group(before, reads[at], acks[at], after, entries))
    increments = defaultdict(list)
    for op in kinds[Increment]:
        increments[op.key].append(op)
    for key in sorted({*known.counters, *increments}):
        before, after = known.counters.get(key, 0), found.counters.get(key, 0)
        yield from (f"{key}: {text}" for text in check_counter(before, increments[key], after))
    for key in sorted({*known.lists, *found.lists}):
        pushes = [op for op in kinds[Push] if op.key == key]
        pops = [op for op in kinds[Pop] if op.key == key]
        before, after = known.lists.get(key, []), found.lists.get(key, [])
        yield from (f"{key}: {text}" for text in check_list(before, pushes, pops, after))


def check_stream(before, adds, removals, after):
    ids = [id_ for id_, *_ in after]
    if any(first >= second for first, second in itertools.pairwise(ids)):
        yield "ids do not rise"
    for name, count in Counter(name for _, name, _ in after).items():
        if count > 1:
            yield f"{name} is there {count} times"
    for id_, name, is_intact in after:
        if not is_intact:
            yield f"the body of {name} at {id_} is not what was sent"

    known = {id_: name for id_, name, _ in before}
    last = max(known, default=(0, 0))
    asked = {op.name: id_ for op, id_ in adds}
    for id_, name, _ in after:
        if id_ in known:
            if known[id_] != name:
                yield f"at {id_} was {known[id_]}, now there is {name}"
        elif name not in asked:
            yield f"{name} at {id_} came from nowhere"
        elif asked[name] not in (None, id_):
            yield f"{name} was answered {asked[name]} and is at {id_}"
        elif id_ <= last:
            yield f"{name} at {id_} is new, and not behind {last}"

    deleted = {op.id: op for op in removals if isinstance(op, Delete)}
    trims = [op for op in removals if isinstance(op, Trim)]
    trimmed = max((op.minid for op in trims), default=(0, 0))
    trimmed_for_sure = max((op.minid for op in trims if op.is_ok), default=(0, 0))
    maxlen = next((op.maxlen for op, _ in adds if op.maxlen is not None), None)
    there = set(ids)
    for id_, name in {**known, **{id_: op.name for op, id_ in adds if id_}}.items():
        if id_ in there or id_ in deleted or id_ < trimmed:
            continue
        if maxlen is not None and sum(other > id_ for other in ids) >= maxlen:
            continue
        yield f"{name} at {id_} was {'known' if id_ in known else 'answered'} and is missing"
    if maxlen is not None and len(after) > max(maxlen, len(before)):
        yield f"{len(after)} entries are there, of {maxlen} at most"
    for id_, op in deleted.items():
        if op.is_ok and id_ in there:
            yield f"{id_} was deleted and is there again"
        if op.is_ok and op.reply != 1:
            yield f"{id_} was there, and deleting it answered {op.reply}"
    if ids and ids[0] < trimmed_for_sure:
        yield f"{ids[0]} is there, trimmed was up to {trimmed_for_sure}"

    # What was answered before another was asked for stands before it.
    asked_latest = 0.0
    for id_, op in sorted(((id_, op) for op, id_ in adds if id_), key=lambda answered: answered[0]):
        if op.end < asked_latest:
            yield f"{op.name} at {id_} was answered before one with a lower id was asked for"
        asked_latest = max(asked_latest, op.start)


def check_connections(adds, removals, found):
    """A connection's operations happen in its order, so those that happened have no hole; and each wholly or not at all."""
    names = {key: {name for _, name, _ in entries} for key, entries in found.streams.items()}
    absent = {}
    for op in adds:
        if op.maxlen is not None or any(removals.get(key) for key in op.keys):
            continue
        there = [op.name in names.get(key, ()) for key in op.keys]
        if any(there) and not all(there):
            yield f"{op.name} is in a part of {op.keys} only"
        if not any(there):
            absent.setdefault(op.process, op.number)
        elif op.process in absent:
            yield f"{op.name} is there, {absent[op.process]} of the same connection is not"


def check_group(before, reads, acks, after, entries):
    names = {id_: name for id_, name, _ in entries}
    delivered = {}
    for op in reads:
        for id_, name in op.reply or ():
            if id_ in delivered or id_ <= before.last:
                yield f"{id_} was delivered again, to {op.consumer}"
            if id_ in names and names[id_] != name:
                yield f"{id_} was delivered as {name} and is {names[id_]}"
            delivered[id_] = op.consumer
    last = max([before.last, *delivered])
    if after.last < last:
        yield f"delivered was up to {last}, now it is {after.last}"
    acked = {id_ for op in acks for id_ in op.ids}
    acked_for_sure = {id_ for op in acks if op.is_ok for id_ in op.ids}
    for op in acks:
        if op.is_ok and op.reply != len(op.ids):
            yield f"acknowledging {len(op.ids)} pending entries answered {op.reply}"
    owners = {**before.pending, **delivered}
    for id_, consumer in owners.items():
        if id_ not in acked and after.pending.get(id_) != consumer:
            yield f"{id_} was pending for {consumer}, now for {after.pending.get(id_)}"
    unanswered = {op.consumer for op in reads if not op.is_ok}
    for id_, consumer in after.pending.items():
        if id_ in acked_for_sure:
            yield f"{id_} was acknowledged and is pending again"
        elif id_ not in owners and not (id_ > before.last and consumer in unanswered):
            yield f"{id_} is pending for {consumer}, who did not read it"
        if id_ > after.last:
            yield f"{id_} is pending, delivered is up to {after.last}"
    for id_ in names:
        if before.last < id_ <= after.last and id_ not in after.pending and id_ not in acked:
            yield f"{id_} passes for delivered, and nobody has it"


def check_counter(before, increments, after):
    answers = [op.reply for op in increments if op.is_ok]
    if len(set(answers)) < len(answers):
        yield "two increments were answered the same"
    if any(not before < answer <= after for answer in answers):
        yield f"it was {before}, is {after}, and increments answered {min(answers)} to {max(answers)}"
    if not before + len(answers) <= after <= before + len(increments):
        yield f"it was {before} and is {after}, after {len(answers)} to {len(increments)} increments"


def check_list(before, pushes, pops, after):
    """A queue: pushed at the end, popped at the beginning."""
    popped = [op.reply for op in pops if op.is_ok and op.reply is not None]
    for name, count in Counter([*popped, *after]).items():
        if count > 1:
            yield f"{name} was popped, or is there, {count} times"
    pushed = {op.name: op for op in pushes}
    for name in [*popped, *after]:
        if name not in pushed and name not in before:
            yield f"{name} came from nowhere"
    there = {*popped, *after}
    expected = [*before, *(op.name for op in pushes if op.is_ok)]
    missing = [name for name in expected if name not in there]
    unanswered = sum(not op.is_ok for op in pops)
    if len(missing) > unanswered:
        yield f"{len(missing)} elements are missing, {missing[:5]}, and {unanswered} pops were not answered"
    left = [name for name in after if name not in pushed]
    if left != before[len(before) - len(left) :] or after[: len(left)] != left:
        yield "what is left of before is not its end, at the beginning"
    for process in {op.process for op in pushes}:
        numbers = [number for who, number in after if who == process and (who, number) in pushed]
        if numbers != sorted(numbers):
            yield f"elements of {process} are not in its order"
