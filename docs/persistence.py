"""Write docs/persistence.md, the ways of coming back that are looked for: `python -m docs.build`.

Places, rules and techniques are those of the rule files; the planted example is one of the scenario
persistence-planted; what no declaration holds stands in docs/persistence.yml.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from forensics.rules import load

TARGET = Path(__file__).parent / "persistence.md"
TEXTS = Path(__file__).parent / "persistence.yml"
PLANTED = Path(__file__).parents[1] / "testdata" / "scenarios" / "persistence-planted" / "expected.json"
_HEAD = """# Ways of coming back

Made from the rules by `python -m docs.build`; do not edit. The words of the first column stand in `mechanism` of the
rows (`autorun.configured` and the kinds of tasks and services) and of `persistence` in `sessions.json`. Rules without a
mechanism of their own (interpreters, hidden and encoded commands, folders that users can write, Windows Sandbox,
tunnels, MSBuild: `rules/persistence.yml`) count everywhere and are not repeated. What Windows itself and widespread
products have in these places is known by place, name and command (`rules/autoruns_stock.yml`, `known` in
`rules/persistence.yml`) and scores 0. Products that general rules would take for something worse are known the same way
(`rules/products.yml`): one reason of 5 to 25 takes the place of theirs, and says that no signature was checked. Each example is planted in the scenario `persistence-planted`, beside the stock
entries of a Windows 11, and has to score above 40 there while nothing else does above 20.

Not entries of their own: remote-access tools (AnyDesk, TeamViewer and their like) are rows and an informational finding,
because administrators use them too, and their services, tasks and Run values are listed here as any other's. A tunnel of
VS Code that starts by itself is an entry (its service on Windows is a Run value) and a session.

| mechanism | what | where | artifact | rules | ATT&CK | planted example | innocent causes |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""


def page() -> str:
    """The whole page."""
    texts = yaml.safe_load(TEXTS.read_text(encoding="utf-8"))["mechanisms"]
    return _HEAD + "\n".join(_row(name, texts[name]) for name in sorted(texts)) + "\n"


def _row(name: str, about: dict[str, Any]) -> str:
    places = places_of(name)
    where = about.get("where") or "; ".join(dict.fromkeys(text for _, text in places))
    artifacts = about.get("artifacts") or sorted({artifact for artifact, _ in places})
    cells = [
        f"`{name}`", about["what"], where, ", ".join(f"`{artifact}`" for artifact in artifacts),
        ", ".join(rules_of(name)) or "general", ", ".join(techniques_of(name)), _example(name), about["innocent"],
    ]  # fmt: skip
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def places_of(mechanism: str) -> list[tuple[str, str]]:
    """The places of the table, each with the artifact that reads it."""
    found = []
    for artifact, spots in load("autoruns")["places"].items():
        for spot in spots:
            if spot["mechanism"] == mechanism:
                keys = spot["key"] if isinstance(spot["key"], list) else [spot["key"]]
                values = f" ({', '.join(f'`{value}`' for value in spot['values'])})" if spot.get("values") else ""
                text = f"{', '.join(spot['hives'])}: {', '.join(f'`{key}`' for key in keys)}{values}"
                found.append((artifact, text))
    return found + _FOUND_OTHERWISE.get(mechanism, [])


# Mechanisms of rules/autoruns.yml whose places an artifact finds by itself.
_FOUND_OTHERWISE = {
    "network_provider": [
        ("network_providers", "SYSTEM: `Control\\NetworkProvider\\Order`, `Services\\<name>\\NetworkProvider`")
    ],
    "silent_process_exit": [
        ("ifeo", "SOFTWARE: `Microsoft\\Windows NT\\CurrentVersion\\SilentProcessExit\\*` (`MonitorProcess`)")
    ],
    "ifeo": [("ifeo", "SOFTWARE: `Image File Execution Options\\*` (`GlobalFlag`)")],
    "winsock": [("winsock_providers", "SYSTEM: `Services\\WinSock2\\Parameters\\*\\Catalog_Entries*`")],
}


def rules_of(mechanism: str) -> list[str]:
    """The rules that name the mechanism."""
    rules = [rule for name in ("persistence", "autoruns") for rule in load(name)["rules"]]
    return [rule["id"] for rule in rules if mechanism in _named(rule["when"])]


def _named(when: dict[str, Any] | list[dict[str, Any]]) -> list[str]:
    """The mechanisms of a rule's condition, or of its alternatives."""
    named = [item.get("mechanism", []) for item in (when if isinstance(when, list) else [when])]
    return [word for words in named for word in (words if isinstance(words, list) else [words])]


def techniques_of(mechanism: str) -> list[str]:
    """The techniques of the mechanism, and where it has none of its own those of its rules."""
    own = {item for name in ("persistence", "autoruns") for item in load(name)["techniques"].get(mechanism, ())}
    if not own:
        rules = [rule for name in ("persistence", "autoruns") for rule in load(name)["rules"]]
        own = {item for rule in rules if mechanism in _named(rule["when"]) for item in rule.get("attack", ())}
    return sorted(own)


def planted() -> list[dict[str, Any]]:
    """The entries that the scenario has planted."""
    entries: list[dict[str, Any]] = json.loads(PLANTED.read_text(encoding="utf-8"))["persistence"]
    return entries


def _example(mechanism: str) -> str:
    entries = [entry for entry in planted() if entry["mechanism"] == mechanism]
    names = [f"`{entry['name'][:40]}`" for entry in entries]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def write() -> None:
    """Write the page."""
    TARGET.write_text(page(), encoding="utf-8", newline="\n")
