"""The one place through which every fact leaves a worker: its strings are made safe and secrets masked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from forensics.model import Fact, Fields
from forensics.text import clean, is_plain, mask_secrets

_FIELD_LIMIT = 64 * 1024
_REASON_LIMIT = 4 * 1024  # a reason shows the value that is no time


def safe_fact(fact: Fact) -> Fact:
    """The fact with safe strings: secrets masked, control characters escaped, the raw hex kept where changed."""
    if is_plain(" ".join(_texts(fact))):
        return fact
    fields: Fields = {}
    raw: list[str] = []
    for name, value in fact.fields.items():
        if isinstance(value, str):
            fields[name] = _safe(name, value, raw)
        elif isinstance(value, tuple):
            fields[name] = tuple(_safe(name, item, raw) for item in value)
        else:
            fields[name] = value
    if raw:
        fields["raw_hex"] = tuple(raw)
    path, locator = clean(mask_secrets(fact.source.path)).text, clean(mask_secrets(fact.source.locator)).text
    source = replace(fact.source, path=path, locator=locator)
    reasons = {
        clean(name).text: clean(mask_secrets(_cut(why, _REASON_LIMIT))).text for name, why in fact.no_times.items()
    }
    return replace(fact, fields=fields, source=source, no_times=reasons)


def _texts(fact: Fact) -> Iterator[str]:
    """Every string of the fact; one that is too long to be kept whole stands for itself as unsafe."""
    yield fact.source.path
    yield fact.source.locator
    for value in fact.fields.values():
        for text in (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ():
            yield text if len(text) <= _FIELD_LIMIT else "\n"
    for name, why in fact.no_times.items():
        yield name
        yield why if len(why) <= _REASON_LIMIT else "\n"


def _safe(name: str, text: str, raw: list[str]) -> str:
    cleaned = clean(mask_secrets(_cut(text, _FIELD_LIMIT)))
    if cleaned.raw_hex is not None:
        raw.append(f"{name}={cleaned.raw_hex}")
    return cleaned.text


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… [cut here: {len(text)} characters in all]"
