"""What one replica has seen of an agent reaches the others, and is not kept."""

from gateway.core.runaway import Sighting
from gateway.store.connection import ROOT, connect
from gateway.store.sightings import Sightings
from tests.fixtures.valkey import ValkeyProcess
from tests.integration.waiting import until

ONE, OTHER = Sighting("a", "f", 1.5), Sighting("a", "", 2.5, worked=True)


def reached(teller: Sightings, seen: Sighting, heard: list[Sighting]) -> bool:
    """Whether anybody has heard, told again in case that nobody listened yet."""
    teller.tell(seen)
    return bool(heard)


async def test_others_hear_of_it_and_whoever_tells_does_not(store_url: str) -> None:
    redis = await connect(store_url)
    heard: list[list[Sighting]] = [[], []]
    async with (
        Sightings(redis, ROOT, heard[0].append).shared() as first,
        Sightings(redis, ROOT, heard[1].append).shared() as second,
    ):
        # A channel is subscribed in the background: what is told before reaches nobody.
        await until(lambda: reached(first, ONE, heard[1]), "the first sighting")
        await until(lambda: reached(second, OTHER, heard[0]), "the second sighting")
        await redis.publish(f"{ROOT}:runaways:seen", b"x\nno json")
        heard[1].clear()
        first.tell(ONE)
        first.tell(OTHER)
        await until(lambda: heard[1][-2:] == [ONE, OTHER], "both, after what cannot be read")
    assert set(heard[0]) == {OTHER}
    assert await redis.keys("*runaways*") == []
    await redis.aclose()


async def test_without_a_store_it_is_forgotten(own_valkey: ValkeyProcess) -> None:
    redis = await connect(own_valkey.url)
    heard: list[Sighting] = []
    async with (
        Sightings(redis, ROOT, lambda _: None).shared() as first,
        Sightings(redis, ROOT, heard.append).shared(),
    ):
        await until(lambda: reached(first, ONE, heard), "the first sighting")
        own_valkey.stop()
        first.tell(OTHER)
        await until(lambda: not first._seen, "that it was given up")
        own_valkey.start()
        heard.clear()
        await until(lambda: reached(first, ONE, heard), "a sighting after the loss")
    assert OTHER not in heard
    await redis.aclose()
