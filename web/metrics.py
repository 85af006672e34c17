"""What this process counts of itself, in the form that Prometheus reads.

Routes are counted by their pattern: no name, id or path that somebody asked for gets in here.
"""

from collections.abc import Awaitable, Callable

import aiohttp.web
from prometheus_client import CollectorRegistry, Counter, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

Handler = Callable[[aiohttp.web.Request], Awaitable[aiohttp.web.StreamResponse]]
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})


class Metrics:
    """Counters of one page. `look` adds what others count, whenever somebody reads them."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "twofold_web_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )

    def look(
        self,
        *,
        received: Callable[[], int],
        sent: Callable[[], int],
        connections: Callable[[], int],
        streams: Callable[[], int],
        connected: Callable[[], bool],
    ) -> None:
        """Ask these for the rest."""
        self._registry.register(_Looked(received, sent, connections, streams, connected))

    @aiohttp.web.middleware
    async def count(
        self, request: aiohttp.web.Request, handler: Handler
    ) -> aiohttp.web.StreamResponse:
        """Let the request through and count how it ended."""
        status = "cut"
        try:
            response = await handler(request)
            status = str(response.status)
            return response
        finally:
            method = request.method if request.method in _METHODS else "other"
            self._requests.labels(method, _route(request), status).inc()

    def text(self) -> bytes:
        """All of them now."""
        return generate_latest(self._registry)


class _Looked(Collector):
    def __init__(
        self,
        received: Callable[[], int],
        sent: Callable[[], int],
        connections: Callable[[], int],
        streams: Callable[[], int],
        connected: Callable[[], bool],
    ) -> None:
        self._bytes: tuple[tuple[str, str, Callable[[], float]], ...] = (
            ("received", "Bytes that came, heads and all.", received),
            ("sent", "Bytes that went, heads and all.", sent),
        )
        self._gauges: tuple[tuple[str, str, Callable[[], float]], ...] = (
            ("connections", "Open connections.", connections),
            ("streams", "Open event streams.", streams),
            ("daemon_connected", "1 while the daemon answers.", connected),
        )

    def collect(self) -> list[Metric]:
        found: list[Metric] = [
            CounterMetricFamily(f"twofold_web_{name}_bytes", said, ask())
            for name, said, ask in self._bytes
        ]
        found += [
            GaugeMetricFamily(f"twofold_web_{name}", said, ask())
            for name, said, ask in self._gauges
        ]
        return found


def _route(request: aiohttp.web.Request) -> str:
    resource = request.match_info.route.resource
    return "none" if resource is None else resource.canonical
