r"""A folder or library that HTML Help loads when a help file is opened.

The value `location` below `Microsoft\HtmlHelp Author` says where the HTML Help Workshop lies; the help viewer loads a
library from there (from memory of published lists of persistence places). The user's own key suffices. No Windows has
the value. The time is the key's last write. Mechanism: `html_help`.
https://persistence-info.github.io/
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("html_help", hives=frozenset({"NTUSER", "SOFTWARE"}))
