"""Clients of Centrifuge's Python SDK, in JSON and Protobuf. ../harness/sdks.py gives the orders; what they are called and
what is told is the same in ../node/sdks.mjs and go/main.go."""

import asyncio
import base64
import json
import sys

from centrifuge import Client, ClientEventHandler, DeltaType, ReplyError, StreamPosition, SubscriptionEventHandler


def say(**line):
    print(json.dumps(line), flush=True)


class Json:
    @staticmethod
    def encode(data):
        return data

    decode = encode


class Protobuf:
    @staticmethod
    def encode(data):
        return None if data is None else json.dumps(data).encode()

    @staticmethod
    def decode(data):
        if not data:
            return None
        try:
            return json.loads(data)
        except ValueError:
            return {"base64": base64.b64encode(data).decode()}


def who(coding, info):
    if info is None:
        return None
    infos = {"conn_info": coding.decode(info.conn_info), "chan_info": coding.decode(info.chan_info)}
    return {"client": info.client, "user": info.user, **infos}


def publication(coding, it):
    return {"data": coding.decode(it.data), "offset": it.offset, "info": who(coding, it.info), "tags": it.tags}


def standing(coding, it):
    position = it.stream_position
    return {
        "recoverable": it.recoverable,
        "positioned": it.positioned,
        "position": position and {"offset": position.offset, "epoch": position.epoch},
        "was_recovering": it.was_recovering,
        "recovered": it.recovered,
        "data": coding.decode(it.data),
    }


class OfClient(ClientEventHandler):
    def __init__(self, name, coding):
        self.name, self.coding = name, coding

    def tell(self, event, **what):
        say(client=self.name, event=event, **what)

    async def on_connecting(self, ctx):
        self.tell("connecting", code=ctx.code, reason=ctx.reason)

    async def on_connected(self, ctx):
        self.tell("connected", id=ctx.client, data=self.coding.decode(ctx.data))

    async def on_disconnected(self, ctx):
        self.tell("disconnected", code=ctx.code, reason=ctx.reason)

    async def on_error(self, ctx):
        self.tell("error", code=int(ctx.code), message=str(ctx.error))

    async def on_subscribing(self, ctx):
        self.tell("server subscribing", channel=ctx.channel)

    async def on_subscribed(self, ctx):
        self.tell("server subscribed", channel=ctx.channel, **standing(self.coding, ctx))

    async def on_unsubscribed(self, ctx):
        self.tell("server unsubscribed", channel=ctx.channel)

    async def on_publication(self, ctx):
        self.tell("server publication", channel=ctx.channel, **publication(self.coding, ctx.pub))

    async def on_join(self, ctx):
        self.tell("server join", channel=ctx.channel, info=who(self.coding, ctx.info))

    async def on_leave(self, ctx):
        self.tell("server leave", channel=ctx.channel, info=who(self.coding, ctx.info))


class OfSubscription(SubscriptionEventHandler):
    def __init__(self, name, channel, coding):
        self.name, self.channel, self.coding = name, channel, coding

    def tell(self, event, **what):
        say(client=self.name, event=event, channel=self.channel, **what)

    async def on_subscribing(self, ctx):
        self.tell("subscribing", code=ctx.code, reason=ctx.reason)

    async def on_subscribed(self, ctx):
        self.tell("subscribed", **standing(self.coding, ctx))

    async def on_unsubscribed(self, ctx):
        self.tell("unsubscribed", code=ctx.code, reason=ctx.reason)

    async def on_publication(self, ctx):
        self.tell("publication", **publication(self.coding, ctx.pub))

    async def on_join(self, ctx):
        self.tell("join", info=who(self.coding, ctx.info))

    async def on_leave(self, ctx):
        self.tell("leave", info=who(self.coding, ctx.info))

    async def on_error(self, ctx):
        self.tell("subscription error", code=int(ctx.code), message=str(ctx.error))


def fetching(tokens, tell, event):
    """Tokens that an application would fetch, one after the other."""
    left = list(tokens)

    async def fetch(*_):
        tell(event)
        return left.pop(0) if left else ""

    return fetch


clients = {}


async def opened(order):
    coding = Protobuf if order["encoding"] == "protobuf" else Json
    events = OfClient(order["client"], coding)
    following = order.get("next_tokens")
    client = Client(
        order["address"],
        events=events,
        token=order.get("token") or "",
        get_token=None if following is None else fetching(following, events.tell, "token asked for"),
        use_protobuf=coding is Protobuf,
        data=coding.encode(order.get("data")),
        min_reconnect_delay=0.02,
        max_reconnect_delay=0.2,
        proxy=None,
    )
    clients[order["client"]] = client, coding
    await client.connect()


async def subscribed(client, coding, order):
    events = OfSubscription(order["client"], order["channel"], coding)
    following = order.get("next_tokens")
    options = dict(order.get("options") or {})
    if "delta" in options:
        options["delta"] = DeltaType(options["delta"])
    subscription = client.new_subscription(
        order["channel"],
        events=events,
        token=order.get("token") or "",
        get_token=None if following is None else fetching(following, events.tell, "subscription token asked for"),
        data=coding.encode(order.get("data")),
        min_resubscribe_delay=0.02,
        max_resubscribe_delay=0.2,
        **options,
    )
    await subscription.subscribe()


async def carried_out(order):
    if order["do"] == "open":
        return await opened(order)
    client, coding = clients[order["client"]]
    channel = order.get("channel")
    data = base64.b64decode(order["base64"]) if "base64" in order else coding.encode(order.get("data"))
    match order["do"]:
        case "connect":
            return await client.connect()
        case "disconnect":
            return await client.disconnect()
        case "subscribe":
            return await subscribed(client, coding, order)
        case "subscribe again":
            return await client.get_subscription(channel).subscribe()
        case "unsubscribe":
            return await client.get_subscription(channel).unsubscribe()
        case "publish":
            await client.publish(channel, data)
            return {}
        case "rpc":
            return coding.decode((await client.rpc(order["method"], data)).data)
        case "history":
            since = order.get("since")
            since = since and StreamPosition(**since)
            page = await client.history(channel, order.get("limit", 0), since, order.get("reverse", False))
            publications = [publication(coding, it) for it in page.publications]
            return {"offset": page.offset, "epoch": page.epoch, "publications": publications}
        case "presence":
            there = (await client.presence(channel)).clients
            return {id_: who(coding, info) for id_, info in there.items()}
        case "presence stats":
            stats = await client.presence_stats(channel)
            return {"clients": stats.num_clients, "users": stats.num_users}
        case other:
            raise ValueError(f"what is {other}?")


async def answer(order):
    try:
        say(order=order["order"], result=await carried_out(order))
    except ReplyError as refused:
        error = {"code": refused.code, "message": refused.message, "temporary": refused.temporary}
        say(order=order["order"], error=error)
    except Exception as failed:
        say(order=order["order"], error={"code": None, "message": f"{type(failed).__name__}: {failed}"})


async def main():
    loop, under_way = asyncio.get_running_loop(), set()
    reader = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        task = asyncio.create_task(answer(json.loads(line)))
        under_way.add(task)
        task.add_done_callback(under_way.discard)


asyncio.run(main())
