"""What the tracker counts of itself, in the form that Prometheus reads.

Labels are words of this program alone: no name, key, address or query of anybody gets in here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from tracker.rates import Rates

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


@dataclass(frozen=True)
class Gauge:
    """A number that others know, by the values of one label; "" for no label."""

    name: str
    said: str
    label: str
    ask: Callable[[], dict[str, float]]
    counter: bool = False


class Metrics:
    """Counters of one tracker. `look` adds what others know, whenever somebody reads them."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.rates = Rates()
        """The same requests, for people."""
        self.failed = Rates()
        self.turned_away_ever = 0
        self.limited_ever = 0
        self._requests = self._counter("requests", "Requests served.", "request", "outcome")
        self._turned_away = self._counter(
            "refused_handshakes", "Connections that came to nothing.", "why"
        )
        self._limited = self._counter(
            "limited", "Connections and requests that were put off.", "limit"
        )
        self._found: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        self._seconds = Histogram(
            "twofold_tracker_request_seconds",
            "Time until a request was answered.",
            ("request",),
            buckets=_SECONDS,
            registry=self._registry,
        )

    def look(self, gauges: Iterable[Gauge]) -> None:
        """Ask these for the rest."""
        self._registry.register(_Looked(tuple(gauges)))

    def request(self, name: str, outcome: str, seconds: float, now: float) -> None:
        """A request was served."""
        found = self._found.get((name, outcome))
        if found is None:
            # To look them up each time would take longer than to count.
            found = (self._requests.labels(name, outcome), self._seconds.labels(name))
            self._found[name, outcome] = found
        found[0].inc()
        found[1].observe(seconds)
        self.rates.count(name, now)
        if outcome != "done":
            self.failed.count(name, now)

    def turned_away(self, why: str) -> None:
        """A connection came to nothing."""
        self._turned_away.labels(why).inc()
        self.turned_away_ever += 1

    def limited(self, limit: str) -> None:
        """Somebody met a limit."""
        self._limited.labels(limit).inc()
        self.limited_ever += 1

    def text(self) -> bytes:
        """All of them now."""
        return generate_latest(self._registry)

    def _counter(self, name: str, said: str, *labels: str) -> Counter:
        return Counter(f"twofold_tracker_{name}", said, labels, registry=self._registry)


class _Looked(Collector):
    def __init__(self, gauges: tuple[Gauge, ...]) -> None:
        self._gauges = gauges

    def collect(self) -> list[Metric]:
        return [_family(gauge) for gauge in self._gauges]


def _family(gauge: Gauge) -> Metric:
    kind = CounterMetricFamily if gauge.counter else GaugeMetricFamily
    labels = (gauge.label,) if gauge.label else ()
    family = kind(f"twofold_tracker_{gauge.name}", gauge.said, labels=labels)
    for value, number in gauge.ask().items():
        family.add_metric((value,) if gauge.label else (), number)
    return family
