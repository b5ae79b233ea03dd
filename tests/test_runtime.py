"""The Runtime: the one place with a clock and dice, and the counters."""

import asyncio
import datetime as dt
from uuid import UUID

from atendeja import runtime
from atendeja.queue import Bell
from atendeja.runtime import Bells, Meter, Runtime


def test_ids_made_without_a_runtime_are_of_their_time() -> None:
    one, other = runtime.fresh_id(), runtime.fresh_id()
    assert one != other and one.version == other.version == 7
    assert abs((one.int >> 80) / 1000 - runtime.utc_now().timestamp()) < 5


async def test_time_is_what_the_clock_says(rt: Runtime) -> None:
    at = dt.datetime(2027, 3, 10, 13, tzinfo=dt.UTC)
    rt.clock = lambda: at
    assert rt.now() is at
    assert rt.new_id().int >> 80 == int(at.timestamp() * 1000)


async def test_attempt_ids_and_nonces_are_never_the_same(rt: Runtime) -> None:
    """They travel outside, so they are not of the seeded dice."""
    rt.dice.seed(1)
    first = rt.new_attempt_id(), rt.nonce()
    rt.dice.seed(1)
    assert first[0] != rt.new_attempt_id() and first[1] != rt.nonce()
    assert len(first[1]) == 12


async def test_the_callback_keys_follow_the_secret_keys(rt: Runtime) -> None:
    assert len(rt.callback_keys) == len(rt.config.secret_keys)
    assert not set(rt.callback_keys) & set(rt.config.secret_keys)


def test_the_meter_counts_and_measures() -> None:
    meter = Meter()
    meter.count("posts", label="accepted")
    meter.count("posts", 2, label="accepted")
    for seconds in (0.0005, 0.001, 0.3, 60.0):
        meter.observe("post_seconds", seconds)
    assert meter.counts["posts", "accepted"] == 3
    count, total, *buckets = meter.spans["post_seconds"]
    assert (count, total) == (4, 60.3015)
    assert buckets[0] == 2 and buckets[Meter.BUCKETS_S.index(0.5)] == 1 and sum(buckets) == 3


async def test_a_number_without_a_sender_rings_the_one_that_starts_senders() -> None:
    bells, number = Bells(), UUID(int=1)
    bells.ring_number(number)
    assert await bells.send.wait(0.01)
    bells.send.clear()
    bells.numbers[number] = Bell()
    bells.ring_number(number)
    assert await bells.numbers[number].wait(0.01) and not await bells.send.wait(0.01)


async def test_all_that_is_in_flight_at_a_stop_has_one_grace_and_a_second_order_ends_it(rt: Runtime) -> None:
    clock = 100.0
    rt.monotonic = lambda: clock
    rt.stop()
    assert rt.stop_by == 100 + rt.config.shutdown_grace_s
    tasks = [asyncio.ensure_future(asyncio.sleep(s)) for s in (0.01, 60, 60)]
    granted = [asyncio.ensure_future(rt.grant(task)) for task in tasks]
    await asyncio.sleep(0.05)
    assert [task.done() for task in granted] == [True, False, False]
    clock = 101
    rt.stop()
    await asyncio.wait_for(asyncio.gather(*granted), 1)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [task.cancelled() for task in tasks] == [False, True, True]
