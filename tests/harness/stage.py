"""Plays a transcript to one server and notes, step by step, which frames every connection got."""

import re

from .resp import Wire, encode, frame_end
from .waiting import eventually

CLOSED = b"<closed>"

# Ids and times made from the clock differ from run to run.
CLOCK_ID = re.compile(rb"\b\d{13}-\d+\b|(?<=:)\d{13}\b")

NUMBER = re.compile(rb"(?<=:)\d+(?=\r\n)")

# Commands that wait for a list.
POPS_OR_WAITS = re.compile(rb"^\*\d+\r\n\$\d+\r\nB[LR]")


class Actor:
    """One connection. After what it sends it says PING with a word of its own, to know when it has all answers."""

    def __init__(self, port, resp):
        self.wire = Wire(port)
        self.pings = 0
        self.is_closed = False
        if resp == 3:
            self.wire.call("HELLO", "3")

    def say(self, data):
        if not self.is_closed:
            self.wire.send_raw(data + self._ping())

    def say_alone(self, data):
        """Without asking when it is answered."""
        self.wire.send_raw(data)

    def ask(self):
        if not self.is_closed:
            self.wire.send_raw(self._ping())

    def _ping(self):
        self.pings += 1
        return encode("PING", f"all-of-{self.pings}")

    def answers(self):
        """The frames up to the answer to the last ping."""
        frames = []
        while not self.is_closed:
            frame = self.wire.frame()
            if not frame:
                self.is_closed = True
                frames.append(CLOSED)
            elif b"all-of-%d\r\n" % self.pings in frame and frame_end(frame) == len(frame):
                break
            else:
                frames.append(CLOCK_ID.sub(b"<clock id>", frame))
        return frames

    def next_frames(self, count):
        """The next frames, without asking."""
        frames = []
        for _ in range(count):
            frame = self.wire.frame()
            frames.append(CLOCK_ID.sub(b"<clock id>", frame) if frame else CLOSED)
            self.is_closed = self.is_closed or not frame
        return frames


class Stage:
    """The connections of one case at one server."""

    def __init__(self, port, resp, prefix):
        self.port, self.resp, self.prefix = port, resp, prefix
        self.actors = {}
        self.waiting = set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for actor in self.actors.values():
            actor.wire.close()

    def _until_all_wait(self):
        """Who waits for a list waits in the order of the lines, whatever connections these are."""
        wanted = b"blocked_clients:%d\r" % len(self.waiting)
        with Wire(self.port) as wire:
            eventually(lambda: wanted in wire.call("INFO", "clients"), "not all wait that should")

    def actor(self, who):
        if who not in self.actors:
            self.actors[who] = Actor(self.port, self.resp)
        return self.actors[who]

    def play(self, step, expected=None):
        """Sends, and returns the frames that every connection got, by its name.

        `expected` are those of the other server, to know how many others are to be waited for: a message may reach
        them after the publisher has its answer.
        """
        actor = self.actor(step.who)
        if step.mark == "~":
            actor.say_alone(own_keys(step.sent, self.prefix))
            self.waiting.add(step.who)
            if POPS_OR_WAITS.search(step.sent):
                self._until_all_wait()
            return {}
        if step.mark == "<":
            self.waiting.remove(step.who)
            return {step.who: actor.next_frames(1)}
        actor.say(own_keys(step.sent, self.prefix))
        answers = actor.answers()
        if step.mark == "?":
            answers = [NUMBER.sub(b"<number>", frame) for frame in answers]
        if step.mark == "@":
            answers = [NUMBER.sub(lambda it: b"<%d>" % round(int(it[0]), -1), frame) for frame in answers]
        got = {step.who: answers}
        for who, other in self.actors.items():
            if who == step.who or who in self.waiting:
                continue
            early = other.next_frames(len(expected.get(who, []))) if expected is not None else []
            other.ask()
            frames = early + other.answers()
            if frames:
                got[who] = frames
        return got


KEY = re.compile(rb"\$(\d+)\r\n([stu](?::[^\r]*)?)\r\n")


def own_keys(data, prefix):
    """Replaces the words s, t, u and s:... by ones of this case."""

    def renamed(match):
        name = prefix + match[2]
        return b"$%d\r\n%s\r\n" % (len(name), name)

    return KEY.sub(renamed, data)
