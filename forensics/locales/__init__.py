"""The words of the report in English and Japanese: templates by key, the same keys in both languages.

What a reader of the report is told in sentences of ours stands here (en.yml, ja.yml); reasons and details are recorded
in English, and the catalogues ja_*.yml have their Japanese (japanese.py). Timeline messages stay English.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from forensics.locales.japanese import japanese
from forensics.model import Said

LANGUAGES = ("en", "ja")


@cache
def texts(language: str) -> dict[str, Any]:
    """The templates of one language (`forensics/locales/<language>.yml`)."""
    text = files("forensics.locales").joinpath(f"{language}.yml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return loaded


def say(key: str, **parts: object) -> Said:
    """The sentence of this key in both languages; a part that is a `Said` is put in by its language."""
    made = {}
    for language in LANGUAGES:
        own = {name: getattr(part, language) if isinstance(part, Said) else part for name, part in parts.items()}
        made[language] = str(texts(language)[key]).format(**own)
    return Said(made["en"], made["ja"])


def quoted(text: str, *, parts: bool = False) -> Said:
    """A sentence that was recorded in English, with its Japanese; with `parts` several of them, joined by `;`."""
    if not parts:
        return Said(text, japanese(text))
    return Said(text, "、".join(japanese(item) for item in text.split("; ")))


def joined(said: Iterable[Said]) -> Said:
    """Several as one, each after the other."""
    found = list(said)
    return Said("; ".join(item.en for item in found), "、".join(item.ja for item in found))
