r"""Browsers made to load what the user cannot remove: forced extensions and native messaging hosts.

An extension that a policy forces (`ExtensionInstallForcelist`, `ExtensionSettings`, Firefox's `policies.json`) is
installed at the next start of the browser, reads every page and cannot be switched off by the user; organisations use
it, and so does malware on machines that no organisation manages. The update address says where it comes from: a store,
or somebody's server. Extensions beside the policy (`Extensions\<id>`) are offered to the user by a program that was
installed. A native messaging host is a program that extensions start; told is its manifest. The time is the key's
last write or the file's. Mechanism: `browser_policy`. https://chromeenterprise.google/policies/#ExtensionInstallForcelist
https://mozilla.github.io/policy-templates/ ; https://developer.chrome.com/docs/extensions/develop/concepts/native-messaging
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from forensics.artifacts._autostart import EMITS, file_entry, hive_root, key_entry, writable
from forensics.artifacts._com import default
from forensics.artifacts.base import FileArtifact, FileInput, Output, RegistryArtifact
from forensics.formats import FormatError
from forensics.formats.guardedjson import loads
from forensics.formats.hive import Hive, Key
from forensics.model import Fact, Problem

_MECHANISM = "browser_policy"
_PRODUCTS = (
    "Google\\Chrome", "Microsoft\\Edge", "Chromium", "BraveSoftware\\Brave", "Vivaldi", "Opera Software\\Opera",
    "Mozilla\\Firefox",
)  # fmt: skip
_STORES = re.compile(
    r"^https://(?:clients2\.google\.com/service/update2/crx|edge\.microsoft\.com/extensionwebstorebase/v1/crx"
    r"|addons\.mozilla\.org/)",
    re.IGNORECASE,
)
_FORCED = ("force_installed", "normal_installed")
_LIMIT = 4 * 1024 * 1024
_MOST = 2000


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for each extension and each host."""
    before, root = hive_root(hive)
    for twin in ("", "Wow6432Node\\"):
        for product in _PRODUCTS:
            top = f"{before}{twin}Policies\\{product}"
            yield from _forced(given, hive.key(f"{top}\\ExtensionInstallForcelist"), root)
            yield from _forced(given, hive.key(f"{top}\\Extensions\\Install"), root)
            yield from _settings(given, hive.key(top), root)
            yield from _setting_keys(given, hive.key(f"{top}\\ExtensionSettings"), root)
            yield from _external(given, hive.key(f"{before}{twin}{product}\\Extensions"), root)
            for place in (product, product.partition("\\")[0] if product.startswith("Mozilla") else ""):
                hosts = hive.key(f"{before}{twin}{place}\\NativeMessagingHosts") if place else None
                yield from _hosts(given, hosts, root)


def _origin(url: str) -> str:
    return "from the browser's store" if not url or _STORES.match(url) else f"from {url[:500]}"


def _shown(name: str, text: str, url: str) -> str:
    """What is installed: of a store the extension's name is enough, the address is always the same."""
    return name if not url or _STORES.match(url) else text


def _forced(given: FileInput, key: Key | None, root: str) -> Iterator[Fact]:
    for value in key.values() if key else ():
        text = value.text().strip()
        name, _, url = text.partition(";")
        if not url and "://" in name:  # Firefox names the package itself
            name, url = name.rpartition("/")[2], name
        if key and text:
            yield key_entry(
                given,
                key,
                root,
                _MECHANISM,
                name,
                _shown(name, text, url),
                value_name=value.name,
                reason=f"forced extension {_origin(url)}",
            )


def _settings(given: FileInput, key: Key | None, root: str) -> Iterator[Fact]:
    value = key.value("ExtensionSettings") if key else None
    if key is None or value is None or not value.raw:
        return
    for name, url in _in_settings(value.text()):
        reason = f"forced extension {_origin(url)}"
        yield key_entry(
            given, key, root, _MECHANISM, name, _shown(name, url, url), value_name=value.name, reason=reason
        )


def _in_settings(text: str) -> list[tuple[str, str]]:
    """Forced extensions of an `ExtensionSettings` in JSON; none when it is not valid, as for the browser."""
    try:
        return _of_object(loads(text.encode("utf-8", "replace")))
    except FormatError:
        return []


def _of_object(found: Any) -> list[tuple[str, str]]:  # noqa: ANN401  # JSON gives what the text holds
    items = found.items() if isinstance(found, dict) else ()
    return [
        (str(name), str(rule.get("update_url") or rule.get("install_url") or ""))
        for name, rule in list(items)[:_MOST]
        if isinstance(rule, dict) and rule.get("installation_mode") in _FORCED
    ]


def _setting_keys(given: FileInput, key: Key | None, root: str) -> Iterator[Fact]:
    for inner in key.subkeys() if key else ():
        mode, url = inner.value("installation_mode"), inner.value("update_url")
        if mode and mode.text() in _FORCED:
            address = url.text() if url else ""
            reason = f"forced extension {_origin(address)}"
            yield key_entry(
                given, inner, root, _MECHANISM, inner.name, _shown(inner.name, address, address), reason=reason
            )


def _external(given: FileInput, key: Key | None, root: str) -> Iterator[Fact]:
    for inner in key.subkeys() if key else ():
        path, url = inner.value("path"), inner.value("update_url")
        text = (path.text() if path and path.raw else "") or (url.text() if url else "")
        if text:
            reason = f"extension beside the policy, {'of a local file' if path and path.raw else _origin(text)}"
            yield key_entry(given, inner, root, _MECHANISM, inner.name, text, reason=reason)


def _hosts(given: FileInput, key: Key | None, root: str) -> Iterator[Fact]:
    for inner in key.subkeys() if key else ():
        manifest = default(inner)
        if manifest:
            yield key_entry(
                given, inner, root, _MECHANISM, inner.name, manifest, value_name="", context=not writable(manifest),
                reason="native messaging host",
            )  # fmt: skip


def parse_file(given: FileInput) -> Output:
    """The extensions that Firefox's policy file installs."""
    try:
        found = loads(given.read(_LIMIT))
    except FormatError as error:
        yield Problem("bad_record", "firefox_policies", given.source(), str(error))
        return
    policies = found.get("policies") if isinstance(found, dict) else None
    if not isinstance(policies, dict):
        yield Problem("bad_record", "firefox_policies", given.source(), "no policies in this file")
        return
    extensions = policies.get("Extensions")
    installed = extensions.get("Install") if isinstance(extensions, dict) else None
    listed = [("", str(url)) for url in installed[:_MOST]] if isinstance(installed, list) else []
    for name, url in (*listed, *_of_object(policies.get("ExtensionSettings"))):
        reason, told = f"forced extension {_origin(url)}", name or url.rpartition("/")[2] or url
        yield file_entry(given, _MECHANISM, _shown(told, url, url), name=told, reason=reason)


ARTIFACT = RegistryArtifact(
    name="browser_policies",
    hives=frozenset({"SOFTWARE", "NTUSER"}),
    parse=parse,
    emits=EMITS,
    deleted=True,
)
FILES = FileArtifact(
    name="firefox_policies",
    paths=(
        "Program Files/Mozilla Firefox/distribution/policies.json",
        "Program Files (x86)/Mozilla Firefox/distribution/policies.json",
    ),
    parse=parse_file,
    emits=EMITS,
)
