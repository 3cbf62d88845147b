"""What a person sees: the summary, the tables of `show`, progress on stderr and the log file.

Everything is rendered from the sessions document (the dictionary of `sessions.json`), so a saved case looks the same
as a fresh one. Strings of the evidence pass `text.one_line` and are never read as markup.
"""

from __future__ import annotations

from forensics.show.progress import Log, Shower
from forensics.show.saved import as_json, read_document, saved_cases, show_part, with_every_entry
from forensics.show.summary import show_summary, summary
from forensics.show.tables import inspection, verification
from forensics.show.terminal import console, failure, zone_of

__all__ = [
    "Log", "Shower", "as_json", "console", "failure", "inspection", "read_document", "saved_cases", "show_part",
    "show_summary", "summary", "verification", "with_every_entry", "zone_of",
]  # fmt: skip
