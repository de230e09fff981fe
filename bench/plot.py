#!/usr/bin/env python3
"""Draws the comparison of the README from what `pubsub.py --json FILE` kept:

    bench/plot.py bench/results/pubsub.jsonl docs/images/pubsub.svg docs/images/pubsub.ko.svg

A name that ends with .ko.svg gets Korean words. Above, each server as a ratio to Redis; below, absolute numbers.
"""

import sys
from pathlib import Path

import comparison
from svg import Drawing, words

# Servers from top to bottom in each group. Redis is the line at 1 where all is a ratio to it.
ORDER = ["naru", "redis", "valkey", "nats"]
NAMES = {"naru": "Naru", "redis": "Redis", "valkey": "Valkey", "nats": "NATS"}

WIDTH = 880
MARGIN = 28
BAR = 9
BAR_STEP = 11

# The panels above: where each begins, and where its bars end at most.
ROWS_LEFT = 218
PANEL_STEP = 222
PANEL_WIDTH = 150
ROW_GAP = 15

# A bar ends here, in times Redis, and says by its number how much further it would go.
RATIO_SHOWN_MAX = 4.0


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    kept = comparison.Comparison(Path(sys.argv[1]))
    for path in map(Path, sys.argv[2:]):
        language = "ko" if path.name.endswith(".ko.svg") else "en"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(draw(kept, language), encoding="utf-8")


def draw(kept, language):
    say = words(language)
    drawing = Drawing(WIDTH, language)
    drawing.text(MARGIN, 42, say("title"), "title")
    drawing.text(MARGIN, 64, say("how"), "small quiet")
    legend(drawing, kept, 92)
    y = ratios(drawing, kept, say, 128)
    y = absolutes(drawing, kept, say, y + 26)
    drawing.text(MARGIN, y + 16, kept.versions(NAMES), "small quiet")
    drawing.text(MARGIN, y + 32, say("setting").format_map(kept.setting), "small quiet")
    return drawing.finish(y + 52, say("title"), described(kept, say))


def legend(drawing, kept, y):
    x = MARGIN
    for server in servers(kept):
        drawing.bar(x, y - 10, 12, 12, server)
        drawing.text(x + 18, y, NAMES[server], "legend")
        x += 34 + 9 * len(NAMES[server])


def servers(kept):
    return [server for server in ORDER if server in kept.servers]


def ratios(drawing, kept, say, y):
    """Three panels of bars, a group a scenario; where they end."""
    panels = [("deliveries", max), ("CPU per delivery", min), ("latency p99", min)]
    others = [server for server in servers(kept) if server != "redis"]
    for number, (figure, better) in enumerate(panels):
        x = ROWS_LEFT + number * PANEL_STEP
        drawing.text(x, y, say(figure), "heading")
        drawing.text(x, y + 16, say("more is better" if better is max else "less is better"), "small quiet")
    y += 34
    compared = [scenario for scenario in comparison.COMPARED if kept.has(scenario)]
    group = BAR_STEP * len(others) + ROW_GAP
    bottom = y + group * len(compared) - ROW_GAP
    for number, (figure, _) in enumerate(panels):
        x = ROWS_LEFT + number * PANEL_STEP
        one = x + PANEL_WIDTH / kept.ratio_max(figure, RATIO_SHOWN_MAX)
        drawing.line(x, y - 6, x, bottom + 6, "axis")
        drawing.line(one, y - 6, one, bottom + 6, "redis-line")
        drawing.text(one, bottom + 20, "Redis = 1", "small quiet middle")
    for scenario in compared:
        middle = y + (BAR_STEP * len(others)) / 2
        for line, text in enumerate(say(scenario).split("\n")):
            drawing.text(MARGIN, middle - 3 + 15 * line, text, "row" if line == 0 else "small quiet")
        for number, (figure, _) in enumerate(panels):
            x = ROWS_LEFT + number * PANEL_STEP
            scale = PANEL_WIDTH / kept.ratio_max(figure, RATIO_SHOWN_MAX)
            for place, server in enumerate(others):
                value = kept.ratio(scenario, figure, server)
                if value is None:
                    continue
                at = y + place * BAR_STEP
                length = min(value, RATIO_SHOWN_MAX) * scale
                drawing.bar(x, at, length, BAR, server)
                drawing.text(x + length + 4, at + BAR - 1, f"{value:.2f}×", f"value {server}")
        y += group
    return bottom + 31


def absolutes(drawing, kept, say, y):
    """Three small panels of absolute numbers; where they end."""
    drawing.line(MARGIN, y - 18, WIDTH - MARGIN, y - 18, "axis")
    width = (WIDTH - 2 * MARGIN) / len(comparison.ABSOLUTE)
    bars_left = 58
    for number, (scenario, figure, unit, divisor) in enumerate(comparison.ABSOLUTE):
        x = MARGIN + number * width
        values = {server: kept.median(scenario, figure, server) for server in servers(kept)}
        values = {server: value / divisor for server, value in values.items() if value is not None}
        if not values:
            continue
        drawing.text(x, y + 6, say(f"{scenario} {figure}"), "heading")
        drawing.text(x, y + 22, f"{unit}; {say('less is better')}", "small quiet")
        longest = max(values.values()) or 1
        for place, (server, value) in enumerate(values.items()):
            at = y + 34 + place * (BAR_STEP + 5)
            length = max(1, value / longest * (width - bars_left - 78))
            drawing.text(x, at + BAR, NAMES[server], "small")
            drawing.bar(x + bars_left, at, length, BAR + 2, server)
            drawing.text(x + bars_left + length + 5, at + BAR, plain(value), f"value {server}")
    return y + 34 + len(servers(kept)) * (BAR_STEP + 5) + 10


def plain(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def described(kept, say):
    """All of it in words, for those who do not see it."""
    sentences = [say("described")]
    for scenario in comparison.COMPARED:
        parts = []
        for figure in ("deliveries", "CPU per delivery", "latency p99"):
            value = kept.ratio(scenario, figure, "naru")
            if value is not None:
                parts.append(f"{say(figure)} {value:.2f}×")
        if parts:
            sentences.append(f"{say(scenario).replace(chr(10), ', ')}: {', '.join(parts)}.")
    for scenario, figure, unit, divisor in comparison.ABSOLUTE:
        parts = []
        for server in servers(kept):
            value = kept.median(scenario, figure, server)
            if value is not None:
                parts.append(f"{NAMES[server]} {plain(value / divisor)}")
        if parts:
            sentences.append(f"{say(f'{scenario} {figure}')} ({unit}): {', '.join(parts)}.")
    return " ".join(sentences)


if __name__ == "__main__":
    main()
