"""Makes up command lines with odd arguments: of every command on keys, strings, lists and streams, as they are meant to be,
with something left out, added, swapped or replaced, or at random. None has an outcome that hangs on the clock, and none waits
for longer than a moment."""

import random

STREAMS, LISTS, STRINGS = ["s1", "s2"], ["l1", "l2"], ["x1", "x2"]
KEYS = [*STREAMS, *LISTS, *STRINGS]
ODD_KEYS = ["new", "", b"\0bin", b"\xff\0"]

NUMBERS = ["0", "1", "-1", "2", "3", "-2", "5", "100", "9223372036854775807"]
ODD_NUMBERS = [
    *("-9223372036854775808", "9223372036854775808", "-9223372036854775809", "-9223372036854775807"),
    *("18446744073709551615", "100000000000000000000", "2147483648", "4294967296", "-2147483649", "9223372036854775"),
    *("92233720368547758", "x", "1.5", "", "01", "+1", " 1", "1 ", "-0", "0x10", "1e3", "1e18", "inf", "nan", "-inf"),
]
REALS = ["0.1", "-2.5", "1e3", "1e-5", "0x1p3", "-0X1.8P-1", "1e5000", "1e-5000", "1_0", ".5", "5.", "-.5", "1e", "infinity"]

IDS = ["0", "0-0", "1", "1-1", "5-0", "5-3", "7", "$", "+", "-"]
ODD_IDS = [
    *("*", "5-*", ">", "(1", "(5-0", "(", "-1", "1-", "(-", "(+", "(0", "a", "1-1-1", "01-01", "1 ", "", " 1", "0x1", "1.5"),
    *("+1", "1-x", "$1", "0-1", "0-*", "00", " 6-+1", "7-\t2", "\v8", "5- -3", "5--3", "5--0", "-0-*", "+", "++1"),
    *("18446744073709551615", "18446744073709551616", "1-18446744073709551616", "9223372036854775808-0"),
    *("18446744073709551615-18446744073709551615", "(18446744073709551615-18446744073709551615"),
    *(b"1\0x", b"1-1\0-1", "0" * 126 + "1", "0" * 127 + "1"),
]

VALUES = ["a", "b", "v", "", "10", "-3", "3.0", "3.25", "hello world", "1e400", "  5", "5 ", "0x10", "inf", "x" * 60]
ODD_VALUES = [b"\xff\0", b"\0", b"two\r\nlines", "9223372036854775807", "-9223372036854775808"]

GROUPS, CONSUMERS = ["g", "h"], ["a", "b"]
ODD_NAMES = ["", "nobody", b"\xff\0", b"\0"]

WORDS = [
    *("NOMKSTREAM MAXLEN MINID = ~ LIMIT COUNT BLOCK STREAMS GROUP NOACK IDLE TIME RETRYCOUNT FORCE JUSTID LASTID").split(),
    *("MKSTREAM ENTRIESREAD FULL ENTRIESADDED MAXDELETEDID LEFT RIGHT BEFORE AFTER RANK NX XX GT LT GET EX PX EXAT").split(),
    *("PXAT KEEPTTL PERSIST MATCH TYPE REPLACE DB CREATE ASYNC SYNC ENCODING left count nx block Streams maxlen").split(),
]

# What these wait for may be this long, or is no time; anything else would take too long.
WAITS = ["0.001", "0.002", "1e-3", "0x0.01", "-1", "-0.5", "x", "", "nan", "1e400", "1e20"]
BLOCKS = ["1", "2", "-1", "x", "1.5", ""]

# Where numbers are times.
TIMED = ["SET", "GETEX", "SETEX", "PSETEX", "EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"]
# Where the fourth argument is how long an entry has been idle.
CLAIMED = ["XCLAIM", "XAUTOCLAIM"]


class OddLines:
    """One run's lines; the same for the same seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.at_hand = KEYS
        self.rising = 10

    def next(self):
        """A line, as a list of bytes."""
        while True:
            line = [word if isinstance(word, bytes) else word.encode() for word in self._line()]
            if not self._takes_long(line) and not leaves_database(line):
                return self._without_clock(line)

    def _line(self):
        kind = self.random.random()
        if kind < 0.2:
            return self._at_random()
        self.at_hand = self.random.choice([STREAMS, LISTS, STRINGS])
        line = self.random.choice(self._kinds())()
        return self._changed(line) if kind < 0.45 else line

    # Words

    def one(self, *of):
        return self.random.choice(of)

    def mostly(self, common, odd):
        return self.random.choice(common if self.random.random() < 0.7 else odd)

    def key(self):
        some = self.random.random()
        return self.random.choice(self.at_hand if some < 0.8 else KEYS if some < 0.95 else ODD_KEYS)

    def number(self):
        return self.mostly(NUMBERS, ODD_NUMBERS)

    def id(self):
        return self.mostly(IDS, ODD_IDS)

    def next_id(self):
        self.rising += 1
        return self.one(f"{self.rising}-*", f"{self.rising}-1", f"{self.rising}", f" +{self.rising}")

    def value(self):
        return self.random.choice([*VALUES, *ODD_VALUES])

    def group(self):
        return self.random.choice(GROUPS if self.random.random() < 0.9 else ODD_NAMES)

    def consumer(self):
        return self.random.choice(CONSUMERS if self.random.random() < 0.9 else ODD_NAMES)

    def side(self):
        return self.random.choice(["LEFT", "RIGHT", "left", "Right"] if self.random.random() < 0.95 else ["UP", ""])

    def wait(self):
        return self.random.choice(WAITS)

    def any_word(self):
        return self.one(self.key(), self.number(), self.id(), self.value(), *self.random.sample(WORDS, 2))

    # Parts of lines

    def maybe(self, *parts):
        return self.random.choice(parts) if self.random.random() < 0.5 else []

    def several(self, word, least=1, most=3):
        return [word() for _ in range(self.random.randint(least, most))]

    def in_any_order(self, *parts):
        parts = list(parts)
        self.random.shuffle(parts)
        return [word for part in parts for word in part]

    def trim(self):
        by_id = ["MINID", *self.maybe(["="], ["~"]), self.id()]
        by_len = [self.one("MAXLEN", "maxlen"), *self.maybe(["="], ["~"]), self.number()]
        return [*self.one(by_id, by_len), *self.maybe(["LIMIT", self.number()])]

    def seldom(self, part):
        return part if self.random.random() < 0.1 else []

    def time(self):
        return self.maybe(*([unit, self.number()] for unit in ("EX", "PX", "EXAT", "PXAT")), ["KEEPTTL"], ["PERSIST"])

    def streams(self):
        keys = self.several(self.key, 0, 2)
        ids = [self.one(">", self.id()) for _ in keys]
        return ["STREAMS", *keys, *ids, *self.seldom([self.id()])]

    # Lines

    def _kinds(self):
        one, key, number, id_, value = self.one, self.key, self.number, self.id, self.value
        group, consumer, side, wait = self.group, self.consumer, self.side, self.wait
        maybe, several, seldom, mixed = self.maybe, self.several, self.seldom, self.in_any_order
        count = lambda: maybe(["COUNT", number()])
        strings = [
            lambda: ["GET", key()],
            lambda: ["SET", key(), value(), *mixed(maybe(["NX"], ["XX"]), maybe(["GET"]), self.time(), seldom(self.time()))],
            lambda: ["SET", one(*STRINGS), value()],
            lambda: ["SETNX", key(), value()],
            lambda: [one("SETEX", "PSETEX"), key(), number(), value()],
            lambda: [one("GETSET", "APPEND"), key(), value()],
            lambda: [one("GETDEL", "STRLEN", "STRLEN"), key()],
            lambda: ["GETEX", key(), *self.time(), *seldom(self.time())],
            lambda: ["MGET", *several(key, 0)],
            lambda: [one("MSET", "MSETNX"), *several(lambda: one(key(), value()), 0, 4)],
            lambda: [one("INCR", "DECR"), key()],
            lambda: [one("INCRBY", "DECRBY"), key(), number()],
            lambda: ["INCRBYFLOAT", key(), one(number(), self.random.choice(REALS))],
            lambda: [one("SUBSTR", "GETRANGE"), key(), number(), number()],
            lambda: ["SETRANGE", key(), one("0", "3", "70", "-1", "x", "536870912", "600000000"), value()],
        ]
        lists = [
            lambda: [one("LPUSH", "RPUSH", "LPUSHX", "RPUSHX"), key(), *several(value, 0, 4)],
            lambda: [one("LPUSH", "RPUSH"), one(*LISTS), *several(value, 1, 4)],
            lambda: [one("LPOP", "RPOP"), key(), *maybe([number()], [number(), number()])],
            lambda: ["LMPOP", one("1", "2", number()), *several(key, 1, 2), side(), *count(), *seldom(count())],
            lambda: [one("BLPOP", "BRPOP"), *several(key, 0, 2), wait()],
            lambda: ["BLMPOP", wait(), one("1", "2", number()), *several(key, 1, 2), side(), *count()],
            lambda: ["LMOVE", key(), key(), side(), side()],
            lambda: ["BLMOVE", key(), key(), side(), side(), wait()],
            lambda: ["RPOPLPUSH", key(), key()],
            lambda: ["BRPOPLPUSH", key(), key(), wait()],
            lambda: ["LLEN", key()],
            lambda: [one("LRANGE", "LTRIM"), key(), number(), number()],
            lambda: ["LINDEX", key(), number()],
            lambda: ["LPOS", key(), value(), *mixed(maybe(["RANK", number()]), count(), maybe(["MAXLEN", number()]))],
            lambda: ["LREM", key(), number(), value()],
            lambda: ["LINSERT", key(), one("BEFORE", "AFTER", "before", "X"), value(), value()],
            lambda: ["LSET", key(), number(), value()],
        ]
        streams = [
            lambda: ["XADD", key(), *mixed(maybe(["NOMKSTREAM"]), maybe(self.trim()), seldom(self.trim())),
                     one(self.next_id(), self.next_id(), id_()), *several(value, 1, 4)],
            lambda: ["XADD", one(*STREAMS), self.next_id(), "f", value()],
            lambda: ["XADD", one(*STREAMS), self.next_id(), "f", value(), "g", "h"],
            lambda: ["XLEN", key()],
            lambda: [one("XRANGE", "XREVRANGE"), key(), one(id_(), "-", "+"), one(id_(), "-", "+"), *count(), *seldom(count())],
            lambda: ["XREAD", *mixed(count(), maybe(["BLOCK", self.random.choice(BLOCKS)])), *self.streams()],
            lambda: ["XREADGROUP", *mixed(["GROUP", group(), consumer()], count(), maybe(["NOACK"])), *self.streams()],
            lambda: ["XACK", key(), group(), *several(id_)],
            lambda: ["XPENDING", key(), group(), *maybe(
                [*maybe(["IDLE", number()]), one("-", id_()), one("+", id_()), number(), *maybe([consumer()])], [id_()])],
            lambda: ["XCLAIM", key(), group(), consumer(), one("0", number()), *several(id_), *mixed(
                maybe(["IDLE", number()], ["TIME", number()]), maybe(["RETRYCOUNT", number()]), maybe(["FORCE"]),
                maybe(["JUSTID"]), seldom(["LASTID", id_()]))],
            lambda: ["XAUTOCLAIM", key(), group(), consumer(), one("0", number()), one("0", id_()),
                     *mixed(count(), maybe(["JUSTID"]))],
            lambda: ["XDEL", key(), *several(id_)],
            lambda: ["XTRIM", key(), *self.trim(), *seldom(self.trim())],
            lambda: ["XGROUP", "CREATE", key(), group(), one("0", "$", id_()),
                     *mixed(maybe(["MKSTREAM"]), maybe(["ENTRIESREAD", number()]))],
            lambda: ["XGROUP", "CREATE", one(*STREAMS), group(), "0", "MKSTREAM"],
            lambda: ["XGROUP", "SETID", key(), group(), one("0", "$", id_()), *maybe(["ENTRIESREAD", number()])],
            lambda: ["XGROUP", one("CREATECONSUMER", "DELCONSUMER"), key(), group(), consumer()],
            lambda: ["XGROUP", one("DESTROY", "CREATE", "SETID", "FOO", "HELP", "", b"\xff\0"), *several(key, 0, 6)],
            lambda: ["XINFO", "STREAM", key(), *maybe(["FULL", *count()], ["FULL", "COUNT"], ["FOO"], ["FULL", "x", "1"])],
            lambda: ["XINFO", "GROUPS", key()],
            lambda: ["XINFO", "CONSUMERS", key(), group()],
            lambda: ["XINFO", one("STREAM", "GROUPS", "CONSUMERS", "FOO", "", b"\0bin"), *several(key, 0, 4)],
            lambda: ["XSETID", key(), id_(), *mixed(maybe(["ENTRIESADDED", number()]), maybe(["MAXDELETEDID", id_()]))],
        ]
        keys = [
            lambda: [one("DEL", "UNLINK", "EXISTS", "TOUCH", "EXISTS", "EXISTS"), *several(key, 0)],
            lambda: ["TYPE", key()],
            lambda: [one("EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"), key(), number(),
                     *several(lambda: one("NX", "XX", "GT", "LT", "gt", value()), 0, 2)],
            lambda: [one("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "PERSIST"), key()],
            lambda: [one("RENAME", "RENAMENX"), key(), key()],
            lambda: ["COPY", key(), key(), *mixed(maybe(["REPLACE"]), maybe(["DB", one("0", number())]))],
            lambda: ["OBJECT", one("ENCODING", "FREQ", "IDLETIME", "REFCOUNT", value()), *several(key, 0, 2)],
            lambda: ["DBSIZE", *maybe(["x"])],
            lambda: ["SCAN", one("0", number()), *mixed(
                maybe(["MATCH", one("*", "s*", "[", "\\", "?1")]), [*maybe(["COUNT", one("1000", "0", "-1", "x")])],
                maybe(["TYPE", one("stream", "list", "string", "hash")]))],
            lambda: ["KEYS", one("*", "s*", "?1", "[a-z]1", "[^s]1", "[", "\\", "", "l\\1", "[z-a]1")],
            lambda: [one("FLUSHALL", "FLUSHDB"), one(value(), "ASYNC ", "SYNC x")],
            lambda: ["SELECT", self.random.choice(["x", "", "-1", "1.5", *ODD_NUMBERS])],
            lambda: [one("EXEC", "DISCARD", "UNWATCH"), *maybe(["x"])],
            lambda: [value(), *several(value, 0, 6)],
        ]
        return {id(STREAMS): streams, id(LISTS): lists, id(STRINGS): strings}[id(self.at_hand)] + (
            keys if self.random.random() < 0.3 else []
        )

    def _at_random(self):
        self.at_hand = KEYS
        names = (
            "XADD XLEN XRANGE XREVRANGE XREAD XREADGROUP XACK XPENDING XCLAIM XAUTOCLAIM XDEL XTRIM XGROUP XINFO XSETID LPUSH"
            " RPUSH LPUSHX RPUSHX LPOP RPOP LMPOP LMOVE RPOPLPUSH LLEN LRANGE LINDEX LPOS LREM LTRIM LINSERT LSET DEL UNLINK"
            " EXISTS TYPE EXPIRE PEXPIREAT TTL PERSIST RENAME COPY OBJECT GET SET SETNX SETEX GETSET APPEND GETDEL GETEX MGET"
            " MSET INCR INCRBY INCRBYFLOAT STRLEN GETRANGE SETRANGE DBSIZE KEYS TOUCH"
        )
        return [self.one(*names.split()), *self.several(self.any_word, 0, 6)]

    def _changed(self, line):
        """The line with something left out, added, swapped or replaced."""
        line = list(line)
        place = lambda: self.random.randrange(1, len(line))
        kind = self.random.random()
        if len(line) < 2 or kind < 0.3:
            line.insert(self.random.randint(1, len(line)), self.any_word())
        elif kind < 0.5:
            line.pop(place())
        elif kind < 0.7:
            one, other = place(), place()
            line[one], line[other] = line[other], line[one]
        else:
            line[place()] = self.any_word()
        return line

    # What is left out

    def _takes_long(self, line):
        name, words = line[0].upper(), [word.upper() for word in line]
        waits, blocks = [word.upper().encode() for word in WAITS], [word.upper().encode() for word in BLOCKS]
        if name == b"BLMPOP":
            return len(line) > 1 and words[1] not in waits
        if name in (b"BLPOP", b"BRPOP", b"BLMOVE", b"BRPOPLPUSH"):
            return words[-1] not in waits
        if name == b"SETRANGE":
            # Makes half a gigabyte.
            return any(word.isdigit() and 10**5 < int(word) < 1 << 29 for word in words)
        return any(word == b"BLOCK" and value not in blocks for word, value in zip(words, words[1:]))

    def _without_clock(self, line):
        """Ids are not made from the clock, times are far and all different, so that GT and LT say the same anywhere,
        and what is to have been idle is to have been so for a day."""
        name = line[0].upper().decode("latin-1")
        if name == "XADD":
            return [b"77-*" if word == b"*" else word for word in line]
        if name in TIMED:
            return line[:2] + [self._far() if is_time(word) else word for word in line[2:]]
        if name in CLAIMED or name == "XPENDING" and line[3:4] and line[3].upper() == b"IDLE":
            return line[:4] + [b"100000000" if is_time(word) else word for word in line[4:5]] + line[5:]
        return line

    def _far(self):
        """Far in whatever unit it is read, and from whenever."""
        self.rising += 1
        return b"%d" % (4 * 10**12 + self.rising * 1000)


def leaves_database(line):
    return line[0].upper() == b"SELECT" and any(word in line for word in (b"%d" % number for number in range(1, 16)))


def is_time(word):
    return word.isdigit() and not word.startswith(b"0") and int(word) < 1 << 53
