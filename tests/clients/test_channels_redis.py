"""channels_redis: its own tests of its pub/sub layer, and two layers as in two Django processes."""

import asyncio

import pytest
from channels_redis.pubsub import RedisPubSubChannelLayer

from clients.own_tests import Run, unpacked
from harness.resp import Wire
from harness.waiting import PATIENCE

# Tests that fail, and why. One that passes fails the run.
NOT_PASSING = {}


def test_its_own_tests_pass(programs, naru, tell_listed):
    tell_listed("channels_redis", NOT_PASSING)
    # On one core: they publish on another connection without waiting until they are subscribed.
    broker = naru.broker("--cores", "1")
    source = unpacked("channels_redis", programs.folder)
    run = Run(
        programs, broker, source, "tests/test_pubsub.py", settings="setup.cfg", not_passing=NOT_PASSING
    )
    assert run.passes()


async def subscribed(broker, count, channel="asgi__group__room"):
    """Waits until so many layers hear the channel: they do not wait for the answer themselves."""
    with Wire(broker.port) as wire:
        while wire.call("PUBSUB", "NUMSUB", channel)[1] != count:
            await asyncio.sleep(0.01)


def test_a_group_is_reached_across_two_layers(broker):
    async def talk():
        layers = [RedisPubSubChannelLayer(hosts=[broker.url]) for _ in range(2)]
        channels = [await layer.new_channel() for layer in layers]
        for layer, channel in zip(layers, channels, strict=True):
            await layer.group_add("room", channel)
        await subscribed(broker, 2)
        for sender in layers:
            await sender.group_send("room", {"type": "said", "text": "안녕"})
            for layer, channel in zip(layers, channels, strict=True):
                assert (await layer.receive(channel))["text"] == "안녕"
        await layers[1].group_discard("room", channels[1])
        await subscribed(broker, 1)
        await layers[0].group_send("room", {"type": "said", "text": "gone"})
        await layers[0].send(channels[1], {"type": "said", "text": "to you"})
        assert (await layers[0].receive(channels[0]))["text"] == "gone"
        assert (await layers[1].receive(channels[1]))["text"] == "to you"
        for layer in layers:
            await layer.flush()

    asyncio.run(asyncio.wait_for(talk(), PATIENCE))


@pytest.mark.parametrize("channels", [1000])
def test_many_channels_each_get_their_own(broker, channels):
    async def talk():
        sender, receiver = (RedisPubSubChannelLayer(hosts=[broker.url]) for _ in range(2))
        names = [await receiver.new_channel() for _ in range(channels)]
        # And the others before it, on the same connection.
        await subscribed(broker, 1, names[-1])
        for name in names:
            await sender.send(name, {"type": "said", "to": name})
        for name in names:
            assert (await receiver.receive(name))["to"] == name
        for layer in (sender, receiver):
            await layer.flush()

    asyncio.run(asyncio.wait_for(talk(), PATIENCE))
