r"""PowerShell's own records of VS Code's terminals: which VS Code opened them.

A terminal of VS Code starts PowerShell with a script of its own (`shellIntegration.ps1`), so the log that every host
keeps (Windows PowerShell 400 and 403) tells when a terminal was opened and closed, with process auditing off. The
script's path says by whom: below `servers\\<build>` by the server of a tunnel (or of Remote-SSH, which has the same
folder), below `resources\\app` by the desktop program. That these records come about in this way is inferred from VS
Code's source, as are the two paths of the script, of 2023 and of later builds.
"""

from __future__ import annotations

import re

_MARKS = ("shellintegration.ps1", "__vscode", "]633;")
_SERVER = re.compile(r"[\\/]servers[\\/][a-z]{2,20}-[0-9a-f]{40}[\\/]|[\\/]\.[a-z-]{2,20}-server(?:-[a-z]{2,12})?[\\/]")
_DESKTOP = re.compile(r"[\\/]resources[\\/]app[\\/]")
_LIMIT = 64 * 1024
SERVER, DESKTOP, UNKNOWN = "a server of VS Code (tunnel or Remote-SSH)", "the desktop's VS Code", "an unknown VS Code"


def terminal_of(*texts: str | None) -> str | None:
    """Whose terminal a command line or script belongs to, None when it is none of VS Code."""
    joined = "\n".join(text[:_LIMIT] for text in texts if text).casefold()
    if not any(mark in joined for mark in _MARKS):
        return None
    if _SERVER.search(joined):
        return SERVER
    return DESKTOP if _DESKTOP.search(joined) else UNKNOWN


def is_remote_terminal(whose: str | None) -> bool:
    """Whether a record of such a terminal is kept: all but those that the desktop opened."""
    return whose is not None and whose != DESKTOP
