"""Waiting for conditions, never for time to pass."""

import time

# How long something may take that normally takes milliseconds: this machine may be busy.
PATIENCE = 20.0


def takes(seconds, attempt, attempts=3):
    """Checks how long something takes, by the best of some attempts: a busy machine may hold one up."""
    took = []
    while not took or took[-1] >= seconds and len(took) < attempts:
        began = time.monotonic()
        attempt()
        took.append(time.monotonic() - began)
    assert took[-1] < seconds, took


def eventually(condition, what, within=PATIENCE):
    """What `condition` returns as soon as it is true; fails with `what` otherwise."""
    deadline = time.monotonic() + within
    pause = 0.002
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s: {what() if callable(what) else what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
