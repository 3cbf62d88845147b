"""Browser helper objects, toolbars and search hooks: COM libraries of Internet Explorer and of Explorer.

They are loaded into each window of Internet Explorer (and of programs that embed it; Edge's IE mode does), see every
page and form, and were for years the commonest home of password thieves and adware (T1176). The class is looked up in
the same hive; its library is the command. Extensions of Chromium and Firefox are other artifacts' matter.
https://learn.microsoft.com/previous-versions/windows/internet-explorer/ie-developer/platform-apis/bb250436(v=vs.85)
https://learn.microsoft.com/sysinternals/downloads/autoruns (page Internet Explorer)
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("browser_extensions", hives=frozenset({"SOFTWARE", "NTUSER"}))
