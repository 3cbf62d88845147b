"""Pluggable protocols and MIME filters: COM libraries that urlmon loads for an address or a content type.

A filter for `text/html` sees and changes every page that goes through urlmon, a handler answers addresses of its
scheme; both are loaded into Internet Explorer, Explorer, Outlook and whatever else uses urlmon. The class is looked
up in the same hive; its library is the command.
https://learn.microsoft.com/previous-versions/windows/internet-explorer/ie-developer/platform-apis/aa767743(v=vs.85)
https://learn.microsoft.com/sysinternals/downloads/autoruns (page Explorer)
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("protocol_handlers", hives=frozenset({"SOFTWARE", "NTUSER"}))
