"""How a tracker is to run, as its operator says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from protocol.address import Address
from tracker.allowance import Rate
from tracker.limits import DEFAULTS, LimitKind


@dataclass(frozen=True)
class Options:
    """`metrics` is where programs that watch ask: None for nowhere, "usual" if nobody says."""

    metrics: Address | Literal["usual"] | None = "usual"
    rates: Mapping[LimitKind, Rate] = field(default_factory=lambda: DEFAULTS)
