r"""Policies that Internet Explorer's customisation has pending: `.inf` files that Windows installs at the next logon.

`IEAK\GroupPolicy\PendingGPOs` of a user's hive (`Path1`, `Section1`, `Count`) makes `ieinit.dll` install a section of
the named `.inf` once, at the next logon, and then removes the key; an `.inf` can register and start what it wants. No
right is needed to write it. Only an old way of setting up Internet Explorer used it, so whatever is found here needs an
explanation. Logs that saw the value being set are joined with it. Mechanism: `pending_gpo`.
Names of the values as in public instructions for it; what `ieinit.dll` does with them is from memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts._autostart import EMITS, hive_root, key_entry
from forensics.artifacts.base import FileInput, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key
from forensics.model import Fact

_PLACE = "Microsoft\\IEAK\\GroupPolicy\\PendingGPOs"
_PATH = re.compile(r"^path(\d{1,5})$", re.IGNORECASE)


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for each file that is pending."""
    before, root = hive_root(hive)
    for key in hive.glob(before + _PLACE):
        yield from _pending(given, key, root)


def _pending(given: FileInput, key: Key, root: str) -> Iterator[Fact]:
    for value in key.values():
        number = _PATH.match(value.name)
        if number is None or not (text := value.text().strip("\x00 ")):
            continue
        section = key.value(f"Section{number.group(1)}")
        named = section.text().strip("\x00 ")[:200] if section and section.raw else ""
        reason = "an .inf file that Internet Explorer's policy installs at the next logon"
        yield key_entry(
            given, key, root, "pending_gpo", value.name, text, value_name=value.name,
            reason=f"{reason}; section {named}" if named else reason,
        )  # fmt: skip


ARTIFACT = RegistryArtifact(
    name="pending_policies", hives=frozenset({"NTUSER"}), parse=parse, emits=EMITS, deleted=True
)
