"""Network providers: libraries that Winlogon's helper tells each user's name and password in clear at the logon.

`NetworkProvider\\Order` lists services; the library of each is `ProviderPath` below the service's own key. A provider
that asks for logon notifications (`Class` bit 2) gets the password by NPLogonNotify (T1556.008; NPPSpy is the public
example). So a name here that is not Windows' own is looked at first. A library that no list names is told as well, as
switched off: it was meant to be used, or was. `HwOrder` is the list that Windows restores from.
https://learn.microsoft.com/windows/win32/secauthn/network-provider-settings
https://attack.mitre.org/techniques/T1556/008/
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._autorun import Base, Entry, autorun, pieces
from forensics.formats.hive import Key
from forensics.formats.hostinfo import number_of, text_of

_ORDERS = ("Control\\NetworkProvider\\Order", "Control\\NetworkProvider\\HwOrder")
_TOLD_OF_LOGONS = 2


def listed(base: Base) -> Iterator[Entry]:
    """The providers in the order lists, each with its library as the service's key has it now."""
    for path in _ORDERS:
        for key in base.keys(path):
            value = key.value("ProviderOrder")
            for name in pieces(value, "comma") if value else ():
                service = base.live(f"Services\\{name}\\NetworkProvider") if "\\" not in name else None
                library = text_of(service, "ProviderPath")
                reason = "" if library else _why_none(base)
                yield Entry(
                    "network_provider", key, "ProviderOrder", name, library or "",
                    target=name if library else None, reason=reason or _class(service),
                )  # fmt: skip


def _why_none(base: Base) -> str:
    """Why a listed provider has no library: in a damaged hive its service's key may be one of those that are lost."""
    if base.hive.live.problems:
        return "not known: its service's key or library is not in what is left of the damaged hive"
    return "no library is registered for it"


def unlisted(base: Base) -> Iterator[Entry]:
    """Libraries of providers that no list names."""
    names: set[str] = set()
    for path in _ORDERS:
        key = base.live(path)
        value = key.value("ProviderOrder") if key else None
        names |= {name.casefold() for name in pieces(value, "comma")} if value else set()
    for key in base.keys("Services\\*\\NetworkProvider"):
        service, library = key.path.split("\\")[-2], text_of(key, "ProviderPath")
        if library and service.casefold() not in names:
            yield Entry("network_provider", key, "ProviderPath", service, library, enabled=False, reason=_class(key))


def _class(key: Key | None) -> str:
    number = number_of(key, "Class") or 0
    return "asks to be told of logons, with the password" if number & _TOLD_OF_LOGONS else ""


ARTIFACT = autorun("network_providers", listed, unlisted, hives=frozenset({"SYSTEM"}))
