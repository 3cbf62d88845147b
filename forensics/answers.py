"""The answers to the checklist of the police advisory, as `sessions.json` has them.

Part of the model (import them from `forensics.model`); apart only because a file of the house has an end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence in both languages of the report."""

    en: str
    ja: str


@dataclass(frozen=True, slots=True)
class AdvisorySource:
    """One source that an answer asks, an artifact, and how far it could be looked at (`state` as of its coverage).

    `tells`: what it has not seen did not happen, from `first` to `last`; both null where it has no period (a file or
    hive shows what was there when the evidence was taken). `state` is "unknown" where nobody knows.
    """

    artifact: str
    state: str
    tells: bool
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class AdvisoryAnswer:
    """One question of the police advisory, answered for a host. `answer`: yes | no | cannot_tell.

    `yes` is what an investigator has to look at; `no` is only said where the sources that would tell were read and
    reach back far enough; `why` has what was found, and what was not looked at. `first` and `last`: the time for which
    the sources that were read can tell of the question; null where none of them has a period.
    """

    id: str
    question: Said
    answer: str
    why: tuple[Said, ...]
    events: tuple[str, ...]
    host: str = ""
    first: datetime | None = None
    last: datetime | None = None
    sources: tuple[AdvisorySource, ...] = ()
