"""Several computers in one piece of evidence, such as a folder of loose logs: what is concluded of each for itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from forensics import advisory, collect
from forensics.case import merge_verdicts
from forensics.model import Coverage, Event, Fact, Host, Verdicts
from forensics.naming import Naming

Look = Callable[[Verdicts], Verdicts]
Reach = Callable[[collect.Plan], list[Coverage]]


def concluded(
    plan: collect.Plan, who: tuple[Host, Naming], events: Sequence[Event], undated: Sequence[Fact],
    logons: advisory.Logons, reach: Reach, look: Look,
) -> Verdicts:  # fmt: skip
    """The verdicts of all of them together; `look` completes what is concluded of one by a look at the evidence."""
    _, naming = who
    known = {event.host for event in events} | {naming.of(fact) for fact in undated}
    known |= {name for names in naming.logs.values() if len(names) == 1 for name in names}  # whose rows are all context
    labels = sorted(known or {naming.label})
    return merge_verdicts(
        [_alone(label, events, undated, who, _owned(plan, naming, label, reach), logons, look) for label in labels]
    )


def _owned(plan: collect.Plan, naming: Naming, label: str, reach: Reach) -> list[Coverage]:
    """The coverage of one of several computers: of the files that are its own."""
    own = replace(plan, jobs=tuple(job for job in plan.jobs if advisory.is_own(job.path, naming, label)))
    shared = {name for job in plan.jobs if advisory.is_shared(job.path, naming, label) for name in job.artifacts}
    return advisory.with_shared(reach(own), shared)


def _alone(
    label: str, events: Sequence[Event], undated: Sequence[Fact], who: tuple[Host, Naming],
    coverage: Sequence[Coverage], logons: advisory.Logons, look: Look,
) -> Verdicts:  # fmt: skip
    """What is concluded of one of several computers, by its own rows and logs alone."""
    host, naming = who
    own = [event for event in events if event.host == label]
    facts = [fact for fact in undated if naming.of(fact) == label]
    shown = advisory.Logons([event for event in logons.events if event.host == label], some=True)
    return advisory.concluded(
        own, host if label == naming.label else Host(name=label), label, facts, (), shown, look=look, looked_at=coverage
    )
