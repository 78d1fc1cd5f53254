"""What a server counts and measures, in the form that Prometheus reads."""

from __future__ import annotations

from abc import abstractmethod

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_SECONDS = (0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.2, 0.35, 0.5, 1, 2, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64)
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """Counters and histograms of one server.

    Attributes:
        requests: Finished requests by route, method and status.
        seconds: How long they took, by route.
        refused: Requests that were not let in, by reason.
        batches: Sizes of the batches that were worked on together, by kind of work.
        clips: Clips by what became of them.
        registry: All of them.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self.requests = Counter(
            "stars_requests", "Finished requests.", ["route", "method", "status"], registry=registry
        )
        self.seconds = Histogram(
            "stars_request_seconds",
            "Time from the headers of a request to the end of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.refused = Counter(
            "stars_refused", "Requests that were not let in.", ["reason"], registry=registry
        )
        self.batches = Histogram(
            "stars_batch_size",
            "Requests that were worked on together.",
            ["work"],
            buckets=_SIZES,
            registry=registry,
        )
        self.clips = Counter(
            "stars_clips", "Clips by what became of them.", ["outcome"], registry=registry
        )

    def watch(self, gauges: Gauges) -> None:
        """Show gauges, too."""
        self.registry.register(gauges)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)


class Gauges(Collector):
    """Numbers that are looked up when they are asked for."""

    @abstractmethod
    def numbers(self) -> dict[str, tuple[str, float]]:
        """By name, what each number is, and the number."""

    def collect(self) -> list[GaugeMetricFamily]:
        """As Prometheus' library wants it."""
        return [
            GaugeMetricFamily(name, help_, value=value)
            for name, (help_, value) in self.numbers().items()
        ]

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing is looked up when the gauges are registered."""
        return []
