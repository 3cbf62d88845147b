"""Configurations of WinSW, a wrapper that runs any program as a service: what it runs, as whom, and where output goes.

The wrapper is a renamed `WinSW.exe`, its configuration lies beside it under the same name. XML has the root `service`;
the YAML form of version 3 is read by its top-level lines alone, which is where these values stand.
https://github.com/winsw/winsw/blob/v3/docs/xml-config-file.md
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from forensics.formats.xmlguard import Node, parse

_LINE = re.compile(r"^([A-Za-z]{2,30})[ \t]{0,8}:[ \t]{1,40}(\S[^\r\n]{0,8000})$", re.MULTILINE)
_ROOT = re.compile(r"<service[\s>]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wrapped:
    """One configuration; "" where it says nothing. `arguments` are those of a start. Passwords are not kept."""

    service: str
    display_name: str
    program: str
    arguments: str
    folder: str
    log_path: str
    account: str
    start_mode: str
    variables: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def command_line(self) -> str:
        """Program and arguments as they are started."""
        program = f'"{self.program}"' if " " in self.program and not self.program.startswith('"') else self.program
        return f"{program} {self.arguments}".strip()


def from_xml(text: str, base: str) -> Wrapped | None:
    """The configuration in `text`, None when it is other XML; `base` is its folder, which it may name as %BASE%."""
    if not _ROOT.search(text):
        return None
    document = parse(text)
    root = next(iter(document.root.children), None)
    if root is None or root.name.casefold() != "service" or not (root.first("id") and root.first("executable")):
        return None
    account = root.first("serviceaccount")
    variables = tuple(node.attributes.get("name", "") for node in root.all("env") if node.attributes.get("name"))
    arguments = _joined(root, "startargument") or _text(root, "startarguments") or _text(root, "arguments")
    return _made(
        lambda name: _text(root, name),
        arguments,
        base,
        _account(account) if account else "",
        variables,
        () if document.well_formed else (document.notes or ("not well-formed XML",)),
    )


def from_yaml(text: str, base: str) -> Wrapped | None:
    """The configuration in `text`, None when it is other YAML."""
    values: dict[str, str] = {}
    for name, value in _LINE.findall(text):
        values.setdefault(name.casefold(), _unquoted(value))
    if not values.get("id") or not values.get("executable"):
        return None
    arguments = values.get("startarguments") or values.get("arguments") or ""
    return _made(lambda name: values.get(name, ""), arguments, base, "", (), ())


def _made(
    get: Callable[[str], str],
    arguments: str,
    base: str,
    account: str,
    variables: tuple[str, ...],
    notes: tuple[str, ...],
) -> Wrapped:
    def placed(text: str) -> str:
        return re.sub("%base%", lambda _: base, text, flags=re.IGNORECASE)

    return Wrapped(
        service=get("id"),
        display_name=get("name"),
        program=placed(get("executable")),
        arguments=placed(" ".join(arguments.split())),
        folder=placed(get("workingdirectory")),
        log_path=placed(get("logpath")),
        account=account,
        start_mode=get("startmode"),
        variables=variables,
        notes=notes,
    )


def _text(node: Node, name: str) -> str:
    found = node.first(name)
    return found.text if found else ""


def _joined(node: Node, name: str) -> str:
    return " ".join(item.text for item in node.all(name) if item.text)


def _account(node: Node) -> str:
    """Its name; versions before 3 have domain and user apart."""
    user = _text(node, "username") or _text(node, "user")
    domain = _text(node, "domain")
    return f"{domain}\\{user}" if domain and user else user


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1].replace("\\\\", "\\") if text[0] == '"' else text[1:-1].replace("''", "'")
    return text.partition(" #")[0].rstrip()
