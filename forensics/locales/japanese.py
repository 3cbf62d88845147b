"""Sentences that were recorded in English, shown in Japanese: matched against the templates they were made from.

Reasons and details stand in the files in English, as they were recorded. Here each is held against the templates of
the rules (`forensics/rules/*.yml`, by the rule's id) and of the code (by the English template itself), and its values
are put into the Japanese template of the catalogues `ja_*.yml`. Names, paths, commands and event ids stay as they are;
a sentence without a template stays English, so nothing is lost. So saved cases of older versions speak Japanese, too.

A catalogue has these parts, each optional:

    rules:      {WSB-01: "…{value}…"}      # the English is the rule's `why`
    signs:      {log_cleared: "…"}         # the English is `detail` of rules/antiforensics.yml
    sentences:  {"English {value}": "…"}   # of code and data
    phrases:    {by: {" by {who}": "…"}}   # what the part `{x:by}` of a template may be; "" if it may be nothing
    frames:     [{re: regex, ja: "…"}]     # what stands around a sentence: `{rest:any}` is translated in its turn
    words:      {confirmed: "…"}           # a whole text that is one of our words

Parts of a Japanese template: `{x}` stays as it is, `{x:any}` is translated where it can be, `{x:list}` is several of
them joined by `and` or `;` (`{x:items}`: by commas, `{x:parts}`: by `;`), `{x:name}` is one of the phrases `name`;
`{x:~name}` is found as any text and held against them afterwards: for phrases with values of their own, which would
make the search for the whole sentence go back and forth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.resources import files
from string import Formatter
from typing import Any

import yaml

from forensics.rules import load

CATALOGUES = (
    "ja_reasons", "ja_signs", "ja_feature", "ja_findings", "ja_attacks", "ja_persistence", "ja_seen", "ja_sandbox",
    "ja_tunnel", "ja_coverage", "ja_show", "ja_products",
)  # fmt: skip
RULES = (
    "antiforensics", "group", "tools", "attacks", "persistence", "autoruns", "products", "targets", "sandbox", "tunnel",
)  # fmt: skip
_LIMIT = 4096
_LITERAL = 8  # letters that a template must have to be tried on a sentence whose rule is not known
_SURE = 3  # length of a text between two values from which its first place ends the value before it
_JOINED = {"list": re.compile(r" and |; "), "items": re.compile(r", (?![^(]*\))"), "parts": re.compile("; ")}
Pieces = list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Template:
    """An English template as a pattern, and the Japanese one."""

    english: str
    japanese: str
    pattern: re.Pattern[str]


@dataclass(slots=True)
class Catalogue:
    """Everything that the files say."""

    rules: dict[str, Template] = field(default_factory=dict)
    sentences: list[Template] = field(default_factory=list)
    phrases: dict[str, list[Template]] = field(default_factory=dict)
    frames: list[tuple[re.Pattern[str], str]] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)


def pieces(template: str) -> Pieces:
    """The template as (text before, name, manner) of each part, the text at its end with an empty name."""
    return [(text, name or "", spec or "") for text, name, spec, _ in Formatter().parse(template)] or [("", "", "")]


def rule_texts() -> dict[str, str]:
    """The English sentence of every scoring rule, by its id."""
    return {item["id"]: item["why"] for name in RULES for item in _with_why(load(name))}


def _with_why(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, dict):
        if "id" in value and "why" in value:
            yield value
        for inner in value.values():
            yield from _with_why(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _with_why(inner)


@cache
def raw() -> dict[str, Any]:
    """The catalogues' parts, all files in one."""
    merged: dict[str, Any] = {"frames": []}
    for name in CATALOGUES:
        text = files("forensics.locales").joinpath(f"{name}.yml").read_text(encoding="utf-8")
        loaded = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
        merged["frames"] += loaded.pop("frames", [])
        for part, entries in loaded.items():
            merged.setdefault(part, {}).update(entries)
    return merged


@cache
def _catalogue() -> Catalogue:
    parts = raw()
    made = Catalogue(words=dict(parts.get("words", {})))
    for name, phrases in parts.get("phrases", {}).items():
        made.phrases[name] = [_template(english, japanese, made) for english, japanese in phrases.items()]
    english = rule_texts()
    made.rules = {ident: _template(english[ident], text, made) for ident, text in parts.get("rules", {}).items()}
    signs = load("antiforensics")
    found = [_template(signs[kind]["detail"], text, made) for kind, text in parts.get("signs", {}).items()]
    found += [_template(one, two, made) for one, two in parts.get("sentences", {}).items()]
    found += [item for item in made.rules.values() if _letters(item) >= _LITERAL]
    made.sentences = sorted(found, key=_letters, reverse=True)
    made.frames = [(re.compile(item["re"], re.DOTALL), item["ja"]) for item in parts["frames"]]
    return made


def _letters(template: Template) -> int:
    return sum(len(text.strip()) for text, *_ in pieces(template.english))


def _template(english: str, japanese: str, made: Catalogue) -> Template:
    manners = {name: manner for _, name, manner in pieces(japanese)}
    return Template(english, japanese, re.compile(_pattern(english, manners, made), re.DOTALL))


def _pattern(english: str, manners: Mapping[str, str], made: Catalogue) -> str:
    """The template as a regular expression.

    A value ends where the text after it first stands, for good (an atomic group), so that no evidence can make the
    search go back and forth.
    """
    found = pieces(english)
    pattern, seen = re.escape(found[0][0]), set()
    for index, (_, name, _) in enumerate(found):
        if not name:
            continue
        after = found[index + 1][0] if index + 1 < len(found) else ""
        phrases = made.phrases.get(manners.get(name, ""))
        value = ".*?" if phrases is None else "|".join(item.pattern.pattern for item in phrases)
        group = f"(?P={name})" if name in seen else f"(?P<{name}>{_anonymous(value)})"
        seen.add(name)
        end = re.escape(after)
        pattern += (
            f"(?>{group}{end})" if phrases is None and len(after) >= _SURE and index + 2 < len(found) else group + end
        )
    return pattern


def _anonymous(pattern: str) -> str:
    return re.sub(r"\(\?P<\w+>", "(?:", pattern)


def japanese(text: str) -> str:
    """The sentence in Japanese; as it is where no template fits it."""
    return _japanese(text) or text


@lru_cache(maxsize=4096)
def _japanese(text: str) -> str | None:
    """None where nothing fits."""
    made = _catalogue()
    if text in made.words:
        return made.words[text]
    if not text or len(text) > _LIMIT:
        return None
    for pattern, japanese_text in made.frames:
        if match := pattern.fullmatch(text):
            values = match.groupdict()
            rule = made.rules.get(values.get("rule") or "")
            if rule and (own := rule.pattern.fullmatch(values["rest"])):
                values["rest"] = _filled(rule.japanese, own.groupdict())
                return _filled(japanese_text.replace("{rest:any}", "{rest}"), values)
            return _filled(japanese_text, values)
    return _first(made.sentences, text)


def _first(templates: list[Template], text: str) -> str | None:
    for item in templates:
        if match := item.pattern.fullmatch(text):
            return _filled(item.japanese, match.groupdict())
    return None


def _filled(template: str, values: Mapping[str, str | None]) -> str:
    return "".join(
        before + (_part(values.get(name) or "", manner) if name else "") for before, name, manner in pieces(template)
    )


def _part(value: str, manner: str) -> str:
    if not manner:
        return value
    manner = manner.removeprefix("~")
    if manner in _JOINED:
        return "、".join(japanese(item) for item in _JOINED[manner].split(value))
    if manner == "any":
        return japanese(value)
    return _first(_catalogue().phrases[manner], value) or value if value else ""


def in_language(text: str, language: str) -> str:
    """A recorded sentence in the language that is shown."""
    return japanese(text) if language == "ja" else text


__all__ = ["CATALOGUES", "in_language", "japanese", "pieces", "raw", "rule_texts"]
