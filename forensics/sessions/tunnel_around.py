"""What stands around a tunnel: how its program came, who logged in, what steered it, where its program is remembered.

None of this shows a hosted tunnel by itself, and most of it names no data folder: a row belongs to the tunnel of its
profile. Each reason says what the trace can tell and what not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from forensics.rules import load
from forensics.sessions.rows import People, Row, Rows, because, is_service_sid, short, stamp
from forensics.sessions.texts import inside, norm, pid, same_path
from forensics.sessions.tunnel_bundle import SHELL, TRACE, Bundle
from forensics.sessions.tunnel_call import profile_in, tunnel_call
from forensics.sessions.tunnel_periods import Period, window
from forensics.sessions.tunnel_programs import is_own_copy, programs_of
from forensics.text import worded

_FETCHED = ("browser.downloaded", "browser.cached", "bits.transfer", "bits.queued", "file.mark_of_the_web")
_WORDS = {
    "browser.downloaded": "downloaded by a browser",
    "browser.cached": "fetched through WinINet",
    "bits.transfer": "fetched by BITS",
    "bits.queued": "queued at BITS (carved, undated)",
    "file.mark_of_the_web": "marked as come from the web",
    "process.created": "fetched by a command",
    "powershell.script_block": "fetched by a script",
}
_PRESENT = {
    "amcache.file": "Amcache (an inventory entry, no run)",
    "shimcache.entry": "the shimcache (looked at, no proof of a run)",
    "compat.program": "the Compatibility Assistant",
    "program.named": "the MuiCache (undated)",
}
_URL_FIELDS = ("url", "host_url", "referrer_url", "tab_url", "file_path", "target_path")
_OWN_PAGE = re.compile(r"vscode\.dev/tunnel/([\w-]{1,64})", re.IGNORECASE)


class Around:
    """The reasons about one bundle, the rows that they rest on, and the device logins near its hosting."""

    def __init__(self, rows: Rows, people: People, bundle: Bundle, periods: Sequence[Period]) -> None:
        self._rows, self._people, self._bundle = rows, people, bundle
        self._starts = sorted(period.start for period in periods if period.start)
        self._pids = {period.pid for period in periods} - {None}
        self._programs = programs_of(bundle, periods)
        self.reasons: list[str] = []
        self.used: list[Row] = []
        self.logins = self._logged_in()
        self._arrived()
        self._credential()
        self._visited()
        self._steered()
        self._installed()
        self._remembered()
        self._terminals()

    def _say(self, text: str, rows: Sequence[Row]) -> None:
        if rows:
            self.reasons.append(because(text, rows))
            self.used += rows

    def _mine(self, row: Row) -> bool:
        """Whether a row is of the bundle's profile, or names nobody; SYSTEM logs in by somebody's browser."""
        name, sid = self._people.of(row)
        if self._bundle.profile is None or self._bundle.profile == "SYSTEM" or is_service_sid(sid):
            return True
        stated = row.get("profile_user") or profile_in(row.first("file_path", "target_path"))
        whose = stated or self._people.folder(name, sid)
        return whose is None or whose.casefold() in (self._bundle.profile.casefold(), "public")

    def _is_owner(self, row: Row) -> bool:
        """Whether the account of a row is the one whose profile the tunnel is of."""
        name, sid = self._people.of(row)
        return _same("SYSTEM" if name == "SYSTEM" else self._people.folder(name, sid), self._bundle.profile)

    def _logged_in(self) -> list[Row]:
        """The pages of a device login, where the code that the CLI printed is typed, opened near a start."""
        hosts = [host for host in load("tunnel")["login_hosts"] if "/" in host]
        pages = [row for row in self._rows.of("browser.visited", "browser.cached")
                 if any(host in row.get("url").casefold() for host in hosts) and not _is_synchronised(row)]  # fmt: skip
        found = [row for row in pages if self._mine(row) and self._near(row.time)]
        if found and found[0].time:
            text = f"the page of a device login was opened in a browser of this host at {stamp(found[0].time)}"
            self._say(f"{text}: whoever logged the tunnel in sat here or was led to it (inference by time)", found)
        return found

    def _near(self, moment: datetime | None) -> bool:
        if moment is None:
            return False
        before, after = window("login_before"), window("login_after")
        return not self._starts or any(start - before <= moment <= start + after for start in self._starts)

    def _arrived(self) -> None:
        """How the program came to this host: addresses of its download, before the first start that is known."""
        for kind in (*_FETCHED, "process.created", "powershell.script_block"):
            found = [row for row in self._rows.of(kind) if self._is_delivery(row) and self._mine(row)]
            if found:
                first = found[0]
                place = first.first("file_path", "target_path")
                what = first.first("url", "host_url", "command_line", "script_text", "file_path")
                when = f" at {stamp(first.time)}" if first.time else ""
                to = f" to {short(place)}" if place and place != what else ""
                self._say(f"its program was {_WORDS[kind]}{when}: {short(what)}{to}", found)

    def _is_delivery(self, row: Row) -> bool:
        if row.time and self._starts and row.time > self._starts[0]:
            return False
        marked = row.kind == "file.mark_of_the_web" and row.get("file_path")
        if marked and any(same_path(path, marked) for path in self._programs):
            return True
        command = row.first("command_line", "script_text")
        text = (command or "\n".join([*(row.get(name) for name in _URL_FIELDS), *_chain(row)])).casefold()
        signs = load("tunnel")["delivery"]["devtunnel" if self._bundle.product == "devtunnel" else "code"]
        fetches = not command or ("http" in text and tunnel_call(command) is None)
        return fetches and any(sign in text for sign in signs)

    def _credential(self) -> None:
        """5379 names the credential that the CLI keeps its login in."""
        if self._bundle.product == "devtunnel":
            return
        found = [row for row in self._rows.of("credential.read")
                 if "vscode-cli-" in row.get("credential_target") and self._is_owner(row)]  # fmt: skip
        if not found:
            return
        who = next((name for row in found if (name := self._people.of(row)[0])), None)
        own = any(pid(row.get("pid")) in self._pids for row in found)
        there = any(_count(row) and not row.get("error_code") for row in found)
        parts = {"by": f" by {who}" if who else "", "n": len(found)}
        text = worded("the CLI's login was asked for in Credential Manager{by}, {n} times", parts)
        text += ", by the process that hosted" if own else ""
        text += "; one was stored" if there else "; whether one was stored is not told"
        self._say(f"{text} (Security 5379; what it logs is from memory)", found)

    def _visited(self) -> None:
        """The tunnel's own page in a browser of this host: it was tried here, or its user sat here."""
        names = {row.get("tunnel_name").casefold() for row in self._bundle.every} - {""}
        found = [row for row in self._rows.of("browser.visited", "browser.cached")
                 if any(name.casefold() in names for name in _OWN_PAGE.findall(row.get("url")))]  # fmt: skip
        here = [row for row in found if not _is_synchronised(row)]
        other = [row for row in found if _is_synchronised(row)]
        self._say("the tunnel's own page (vscode.dev/tunnel/...) was opened in a browser of this host", here)
        self._say(
            "the tunnel's own page was opened on another device whose browser has the same account (synchronised)",
            other,
        )

    def _steered(self) -> None:
        """Variables that move its files or log it in, and policies that forbid it."""
        found = [row for row in self._rows.of("tunnel.environment_set") if self._is_environment(row)]
        for row in found:
            value = f" = {short(row.get('variable_value'))}" if row.get("variable_value") else ""
            whose = f"{row.get('environment_of')} {row.first('service_name', 'user_name')}".strip()
            what = "steers the CLI"
            if row.get("variable_name").upper().endswith("_ACCESS_TOKEN"):
                what = "logs the CLI in by a token from elsewhere: no login on this host is needed or recorded"
            self._say(f"environment variable {row.get('variable_name')}{value} of the {whose} {what}", [row])
        wanted = "dev tunnels"
        rules = [row for row in self._rows.of("tunnel.policy_set")
                 if row.get("policy_program") == wanted or self._bundle.product != "devtunnel"]  # fmt: skip
        if rules:
            names = ", ".join(dict.fromkeys(f"{row.get('policy_name')} = {row.get('value_data')}" for row in rules[:5]))
            self._say(
                f"policies about tunnels stand in the registry (when each was set is not recorded): {names}", rules
            )

    def _is_environment(self, row: Row) -> bool:
        name, value = row.get("variable_name").upper(), row.get("variable_value")
        if name == "VSCODE_CLI_DATA_DIR":
            return bool(value) and same_path(value, self._bundle.data_dir)
        about = name.startswith(("VSCODE_", "TUNNEL_SERVICE")) and self._bundle.product != "devtunnel"
        return about and (row.get("environment_of") == "machine" or self._mine(row))

    def _installed(self) -> None:
        for row in self._rows.of("software.installed"):
            folder = row.get("install_folder")
            if folder and len(norm(folder)) > 3 and any(inside(path, folder) for path in self._programs):
                name = row.first("product_name", "uninstall_key")
                text = (
                    f"its program is part of an installed program: {short(name)} {row.get('product_version')}".rstrip()
                )
                self._say(text, [row])

    def _remembered(self) -> None:
        """What remembers that the program was there; what remembers runs is evidence and said with the certainty."""
        for kind, where in _PRESENT.items():
            found = [row for row in self._rows.of(kind) if self._is_program(row.get("executable"))]
            sha1 = next((row.get("file_sha1") for row in found if row.get("file_sha1")), "")
            self._say(f"its program stands in {where}{f', SHA-1 {sha1}' if sha1 else ''}", found)
        runs = [row for row in self._bundle.of(TRACE) if row.time]
        if runs and runs[0].time and runs[-1].time:
            span = stamp(runs[0].time) + (f" to {stamp(runs[-1].time)}" if len(runs) > 1 else "")
            text = f"runs of its program are remembered ({', '.join(sorted({row.kind for row in runs}))}), {span}"
            self.reasons.append(because(f"{text}: that it ran, not what it was told to do", runs))

    def _is_program(self, path: str) -> bool:
        if any(same_path(path, own) for own in self._programs):
            return True
        copy = self._bundle.product != "devtunnel" and is_own_copy(path)
        return copy and _same(profile_in(path), self._bundle.profile)

    def _terminals(self) -> None:
        """PowerShell's own log ends a terminal with the id that it began with."""
        starts = {ident: row for row in self._bundle.of(SHELL) if (ident := row.get("powershell_host_id"))
                  and row.kind != "powershell.stopped"}  # fmt: skip
        ends = [row for row in self._rows.of("powershell.stopped") if row.get("powershell_host_id") in starts]
        for row in ends:
            begun = starts[row.get("powershell_host_id")]
            if begun.time and row.time:
                self._say(f"a terminal opened at {stamp(begun.time)} was closed at {stamp(row.time)}", [begun, row])


def provider_by_login(logins: Iterable[Row]) -> tuple[str | None, list[Row]]:
    """(provider, rows): whose page of a device login was opened."""
    for host, found in load("tunnel")["login_hosts"].items():
        rows = [row for row in logins if "/" in host and host in row.get("url").casefold()]
        if rows:
            return found, rows
    return None, []


def _count(row: Row) -> int:
    value = row.fields.get("credentials_returned")
    return value if isinstance(value, int) else 0


def _chain(row: Row) -> tuple[str, ...]:
    value = row.fields.get("url_chain")
    return tuple(str(item) for item in value) if isinstance(value, tuple) else ()


def _is_synchronised(row: Row) -> bool:
    """Whether a visit was made on another device and came with the browser's account."""
    return "synchron" in row.get("visit_origin")


def _same(one: str | None, two: str | None) -> bool:
    return one is not None and two is not None and one.casefold() == two.casefold()


__all__ = ["Around", "provider_by_login"]
