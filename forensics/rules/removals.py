"""Which signs of wiping say that traces were removed or not written; a clock that was set and the like are none."""

from __future__ import annotations

from collections.abc import Iterable

from forensics.model import AntiForensic
from forensics.rules import load


def removals(signs: Iterable[AntiForensic]) -> list[AntiForensic]:
    """The signs that traces were removed or not written (`no_removal` of `rules/advisory.yml` has the others)."""
    others = load("advisory")["no_removal"]
    return [sign for sign in signs if sign.kind not in others]


def strong(signs: Iterable[AntiForensic]) -> list[AntiForensic]:
    """Those of them that are strong."""
    return [sign for sign in removals(signs) if sign.level == "strong"]


__all__ = ["removals", "strong"]
