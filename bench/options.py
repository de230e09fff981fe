"""What the programs here can all be told."""

import argparse


def parser(description):
    """Takes the options that every program has; each adds its own."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("naru", help="the naru binary: a release build")
    made.add_argument("--generator", metavar="BINARY", help="the binary whose `bench` is used [default: the same]")
    made.add_argument("--redis", default="redis-server", metavar="BINARY", help="[default: redis-server]")
    made.add_argument("--valkey", metavar="BINARY", help="[default: what bench/peers.sh installed, or valkey-server]")
    made.add_argument("--cores", type=int, help="cores of Naru's broker [default: its own default]")
    made.add_argument("--only", action="append", default=[], metavar="NAME", help="this scenario; may be repeated")
    made.add_argument("--list", action="store_true", help="name the scenarios, and end")
    made.add_argument("--rounds", type=int, default=5, help="[default: 5, and fewer where one takes minutes]")
    made.add_argument("--seconds", type=float, default=5, help="of each measurement that has no end [default: 5]")
    made.add_argument("--warm-up", type=float, default=1, help="seconds before it [default: 1]")
    made.add_argument("--small", action="store_true", help="little of everything: does all of it run?")
    made.add_argument("--json", metavar="FILE", help="keep every report, as one JSON object a line")
    return made
