r"""Whether Windows keeps prefetch files at all: `EnablePrefetcher` of the memory manager's parameters.

Without this a missing prefetch file says nothing: servers have application prefetching off (2 or 0), some guides for
SSDs switch it off, and so does an attacker who wants program starts forgotten. 0 is off, 1 programs only, 2 the boot
only, 3 both (the default of clients).

`SYSTEM\<control set>\Control\Session Manager\Memory Management\PrefetchParameters`; the time is the key's last write,
which Windows renews as well. https://learn.microsoft.com/previous-versions/windows/embedded/ms940847(v=winembedded.5)
"""

from __future__ import annotations

from forensics.artifacts._registry import place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats.hive import Hive
from forensics.formats.hostinfo import number_of
from forensics.model import make_fact

_KEY = "Control\\Session Manager\\Memory Management\\PrefetchParameters"
_VALUE = "EnablePrefetcher"
_MEANINGS = {0: "off", 1: "programs only", 2: "boot only", 3: "programs and boot"}


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for the control set in use."""
    for control_set in hive.control_sets()[:1]:
        key = hive.key(f"{control_set}\\{_KEY}")
        number = number_of(key, _VALUE)
        if key is None or number is None:
            continue
        yield make_fact(
            "prefetch.configured",
            place(given, key, _VALUE),
            {"Content Modification Time": key.last_write},
            {
                "prefetch_mode": _MEANINGS.get(number, str(number)),
                "prefetches_programs": bool(number & 1),
                "control_set": control_set,
                "key_path": key.path,
                "value_name": _VALUE,
            },
            context=bool(number & 1),
        )


ARTIFACT = RegistryArtifact(
    name="prefetch_settings",
    hives=frozenset({"SYSTEM"}),
    parse=parse,
    emits={
        "prefetch.configured": Kind(
            "Prefetching: {prefetch_mode}",
            {
                "prefetch_mode": str,
                "prefetches_programs": bool,
                "control_set": str,
                "key_path": str,
                "value_name": str,
            },
            context=True,
        )
    },
)
