"""`/metrics`: what this process counted, in Prometheus' text format. A metric is a line here.

No tenant and no phone in a label. With METRICS_TOKEN a bearer must show it; without one only this machine is answered.
"""

import hmac
from collections.abc import Iterator

from msgspec import Struct
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from atendeja.runtime import Meter, Runtime


class Counted(Struct, frozen=True):
    help: str
    label: str | None = None


COUNTERS = {
    "deliveries_stored": Counted("Webhooks committed and answered 200."),
    "deliveries_refused": Counted("Webhooks not taken.", "why"),
    "deliveries_digested": Counted("Deliveries read into events."),
    "items_unrouted": Counted("Items of numbers or accounts that no tenant owns."),
    "events_recorded": Counted("Events written, each once."),
    "statuses_applied": Counted("Messages that a status was about."),
    "turns_taken": Counted("Turns committed."),
    "replies_queued": Counted("Messages that turns queued."),
    "uploads": Counted("Files uploaded to WhatsApp, by what came of it.", "outcome"),
    "posts": Counted("Sends to the Cloud API by what came of the attempt.", "outcome"),
    "webhook_posts": Counted("Deliveries of outgoing webhooks by what came of the POST.", "outcome"),
    "messages_withdrawn": Counted("Messages that were not sent, by reason.", "reason"),
    "messages_doubted": Counted("Messages found on the wire without a sender."),
    "messages_unknown": Counted("Messages whose fate nobody can know."),
    "messages_again": Counted("Messages in doubt that were sent again: nothing was heard of them in time."),
    "duplicate_sends": Counted("Attempts accepted although another of the same message had been."),
    "notices": Counted("Things a person should know.", "kind"),
    "rows_emptied": Counted("Rows whose contents a business wants to keep no longer, by table.", "kind"),
    "loops_ended": Counted("Loops that had to be started again.", "loop"),
    "loop_blocked": Counted("Times the event loop stood still for more than 5 s."),
}
"""Name → what it counts; shown as atendeja_<name>_total."""

DURATIONS = {
    "ack_seconds": "From the first byte of a webhook to its 200.",
    "store_seconds": "One commit of the open batch.",
    "digest_seconds": "One batch of deliveries.",
    "turn_seconds": "One transaction of turns.",
    "post_seconds": "One POST to the Cloud API.",
}
"""Name → what is measured; shown as the histogram atendeja_<name>."""


class Collector:
    """Reads the process's Meter at each scrape."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt

    def collect(self) -> Iterator[Metric]:
        for name, counted in COUNTERS.items():
            yield self._counter(name, counted)
        for name, text in DURATIONS.items():
            yield self._histogram(name, text)
        pool = GaugeMetricFamily("atendeja_database_connections", "Connections to the database.", labels=["state"])
        pool.add_metric(["open"], self._rt.db.pool.get_size())
        pool.add_metric(["idle"], self._rt.db.pool.get_idle_size())
        yield pool
        held = GaugeMetricFamily("atendeja_sending_held", "1 while nobody sends because the database has lost commits.")
        held.add_metric([], self._rt.guard.hold is not None)
        yield held
        retries = CounterMetricFamily("atendeja_transactions_repeated", "Transactions repeated after a transient error.")
        retries.add_metric([], self._rt.db.retries)
        yield retries

    def _counter(self, name: str, counted: Counted) -> CounterMetricFamily:
        family = CounterMetricFamily(f"atendeja_{name}", counted.help, labels=[counted.label] if counted.label else [])
        found = {label: n for (key, label), n in self._rt.meter.counts.items() if key == name}
        for label, n in found.items() if counted.label else [("", sum(found.values()))]:
            family.add_metric([label] if counted.label else [], n)
        return family

    def _histogram(self, name: str, text: str) -> HistogramMetricFamily:
        family = HistogramMetricFamily(f"atendeja_{name}", text)
        span = self._rt.meter.spans.get(name) or [0.0] * (2 + len(Meter.BUCKETS_S))
        total, buckets = 0.0, []
        for bound, n in zip(Meter.BUCKETS_S, span[2:], strict=True):
            total += n
            buckets.append((str(bound), total))
        family.add_metric([], [*buckets, ("+Inf", span[0])], span[1])
        return family


def routes(rt: Runtime) -> list[Route]:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector(rt))
    token = rt.config.metrics_token

    async def endpoint(request: Request) -> Response:
        if token is not None:
            given = request.headers.get("authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {token.reveal()}".encode()):
                return PlainTextResponse("METRICS_TOKEN is wanted as bearer\n", 401, {"WWW-Authenticate": "Bearer"})
        elif request.client is None or request.client.host not in ("127.0.0.1", "::1"):
            return PlainTextResponse("without METRICS_TOKEN only this machine is answered\n", 403)
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4; charset=utf-8")

    return [Route("/metrics", endpoint)]
