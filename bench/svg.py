"""A drawing as SVG, in light and dark, and its words."""

from html import escape

FONT = (
    'system-ui, -apple-system, "Segoe UI", Roboto, Pretendard, "Apple SD Gothic Neo", "Malgun Gothic", '
    '"Noto Sans KR", "Noto Sans CJK KR", sans-serif'
)

# Naru's colour is the one with contrast; the others are told apart by lightness as well as by hue.
STYLE = f"""
    text {{ font-family: {FONT}; fill: #16211f; font-size: 13px; }}
    .ground {{ fill: #f3f5f3; stroke: #c9d3ce; }}
    .title {{ font-size: 19px; font-weight: 650; }}
    .heading {{ font-weight: 650; }}
    .legend {{ font-weight: 600; }}
    .row {{ font-weight: 600; }}
    .small {{ font-size: 11.5px; }}
    .quiet {{ fill: #55645f; }}
    .middle {{ text-anchor: middle; }}
    .value {{ font-size: 10.5px; fill: #55645f; font-variant-numeric: tabular-nums; paint-order: stroke; stroke: #f3f5f3; stroke-width: 3px; }}
    text.naru {{ fill: #0b5757; font-weight: 700; }}
    rect.naru {{ fill: #0f6b6b; }}
    rect.redis {{ fill: #c0463c; }}
    rect.valkey {{ fill: #e0a04a; }}
    rect.nats {{ fill: #8d9fc4; }}
    .axis {{ stroke: #c9d3ce; }}
    .redis-line {{ stroke: #c0463c; stroke-width: 1.5; stroke-dasharray: 4 3; }}
    @media (prefers-color-scheme: dark) {{
      text {{ fill: #e6ece9; }}
      .ground {{ fill: #131a19; stroke: #33403c; }}
      .quiet, .value {{ fill: #a3b2ac; }}
      .value {{ stroke: #131a19; }}
      text.naru {{ fill: #5fd0c5; }}
      rect.naru {{ fill: #35b5aa; }}
      rect.redis {{ fill: #e0675c; }}
      rect.valkey {{ fill: #b98238; }}
      rect.nats {{ fill: #5f719a; }}
      .axis {{ stroke: #33403c; }}
      .redis-line {{ stroke: #e0675c; }}
    }}
"""

ENGLISH = {
    "title": "Publish and subscribe: Naru beside Redis, Valkey and NATS",
    "how": "One server at a time under the same load on one machine, which the load generator shares. Medians of rounds.",
    "deliveries": "Deliveries per second",
    "CPU per delivery": "CPU per delivery",
    "latency p99": "Latency, 99th percentile",
    "more is better": "as a ratio to Redis; more is better",
    "less is better": "less is better",
    "bulk": "100 subscribers\n4 publishers × 32 in flight",
    "wide": "1,000 subscribers\n1 publisher × 16 in flight",
    "single": "100 subscribers\none publish at a time",
    "funnel": "1 subscriber\n8 publishers × 64 in flight",
    "channels": "64 channels\n8 publishers × 32 in flight",
    "large": "100 subscribers, 1 MiB\n1 publisher × 4 in flight",
    "large memory grown": "Memory, 1 MiB to 100",
    "idle memory per connection": "Memory, idle connection",
    "patterns-10000 CPU per publish": "CPU per publish, 10,000 patterns",
    "setting": "{cpus} cores, loopback, load {load:.1f} at the start; {rounds} rounds of {seconds:g} s; 64-byte payloads unless said.",
    "described": "Naru as a ratio to Redis, then absolute numbers.",
}

KOREAN = {
    "title": "발행과 구독: 나루와 Redis, Valkey, NATS",
    "how": "한 대의 컴퓨터에서 같은 부하를 서버마다 차례로 걸었습니다. 부하 생성기도 같은 코어를 씁니다. 여러 차례의 중앙값입니다.",
    "deliveries": "초당 전달 수",
    "CPU per delivery": "전달당 CPU",
    "latency p99": "지연 시간, 99번째 백분위수",
    "more is better": "Redis 대비 비율, 클수록 좋음",
    "less is better": "작을수록 좋음",
    "bulk": "구독자 100\n발행자 4 × 동시 32건",
    "wide": "구독자 1,000\n발행자 1 × 동시 16건",
    "single": "구독자 100\n한 번에 한 건씩",
    "funnel": "구독자 1\n발행자 8 × 동시 64건",
    "channels": "채널 64\n발행자 8 × 동시 32건",
    "large": "구독자 100, 1 MiB\n발행자 1 × 동시 4건",
    "large memory grown": "메모리, 1 MiB를 100명에게",
    "idle memory per connection": "메모리, 유휴 연결 하나",
    "patterns-10000 CPU per publish": "발행당 CPU, 패턴 10,000개",
    "setting": "코어 {cpus}개, 루프백, 시작할 때의 부하 {load:.1f}. {seconds:g}초씩 {rounds}차례. 따로 적지 않으면 메시지는 64바이트입니다.",
    "described": "Redis를 1로 둔 나루의 비율과, 그다음은 절댓값입니다.",
}


def words(language):
    return (KOREAN if language == "ko" else ENGLISH).__getitem__


class Drawing:
    def __init__(self, width, language):
        self.width = width
        self.language = language
        self.shapes = []

    def text(self, x, y, text, kind):
        self.shapes.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(text)}</text>')

    def bar(self, x, y, width, height, kind):
        self.shapes.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" rx="1.5" class="{kind}"/>')

    def line(self, x1, y1, x2, y2, kind):
        self.shapes.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>')

    def finish(self, height, title, description):
        """The file's text. `title` and `description` are for those who do not see it."""
        height = round(height)
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {height}" width="{self.width}" '
                f'height="{height}" role="img" aria-labelledby="title desc" lang="{self.language}">',
                f'  <title id="title">{escape(title)}</title>',
                f'  <desc id="desc">{escape(description)}</desc>',
                f"  <style>{STYLE}  </style>",
                f'  <rect class="ground" x="0.5" y="0.5" width="{self.width - 1}" height="{height - 1}" rx="10"/>',
                *(f"  {shape}" for shape in self.shapes),
                "</svg>\n",
            ]
        )
