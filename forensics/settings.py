"""What a run may be told: context, span, limits, rules, and how the evidence is opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from forensics import rulefolder
from forensics.artifacts.base import Artifact, asked_for
from forensics.evidence.base import Opening
from forensics.sigma.ruleset import Rules
from forensics.times import named_zone
from forensics.workers import Limits


@dataclass(frozen=True, slots=True)
class Options:
    """How to analyse: minutes of context around sessions, the span shown, limits of the workers, the user's rules.

    `evidence_tz` is the host's zone as the examiner states it (`Asia/Tokyo`, `Tokyo Standard Time`), for evidence
    without a SYSTEM hive; "" where nobody states one.
    """

    context_minutes: float = 15.0
    all_events: bool = False
    start: datetime | None = None
    end: datetime | None = None
    limits: Limits = field(default_factory=Limits)
    opening: Opening = field(default_factory=Opening)
    rules: Rules | None = None
    evidence_tz: str = ""

    def artifacts(self) -> tuple[Artifact, ...]:
        """The artifacts of such a run."""
        return asked_for(carve=self.opening.carve, events=self.rules.wants() if self.rules else None)

    def __post_init__(self) -> None:
        """Raises ValueError for a zone that nobody knows."""
        _ = self.evidence_tz and named_zone(self.evidence_tz)

    def described(self) -> dict[str, Any]:
        """The options as JSON material, without secrets."""
        return {
            "context_minutes": self.context_minutes,
            "all_events": self.all_events,
            "start": self.start.isoformat() if self.start else None,
            "end": self.end.isoformat() if self.end else None,
            "os_volume": self.opening.volume,
            "shadow_copies": self.opening.snapshots,
            "host": self.opening.host,
            "carve": self.opening.carve,
            "rules": rulefolder.described(self.rules) if self.rules else None,
            "evidence_tz": self.evidence_tz or None,
            "limits": {
                "seconds": self.limits.seconds,
                "seconds_per_mib": self.limits.seconds_per_mib,
                "most_seconds": self.limits.most_seconds,
                "memory": self.limits.memory,
                "jobs": self.limits.processes(),
            },
        }
