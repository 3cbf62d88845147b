"""VS Code tunnels and dev tunnels: what each bundle of rows is worth.

What the host cannot know is said with every tunnel: the client's address (the server listens on a named pipe), the
account behind a pure CLI login, and files that were only read.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from forensics.model import LOOSE, AntiForensic, Finding, Host, PersistenceEntry, TunnelClient, TunnelSession, stable_id
from forensics.rules.engine import Hit, capped, hits, rules_of, total
from forensics.sessions import tunnel_did as did
from forensics.sessions.exits import Exits
from forensics.sessions.hostlife import HostLife
from forensics.sessions.looked import Looked
from forensics.sessions.rows import People, Row, Rows, because, ids_of, stamp
from forensics.sessions.texts import pid
from forensics.sessions.tunnel_around import Around
from forensics.sessions.tunnel_bundle import FILES, LOG, NETWORK, RUN, SAVED, SERVER, STATE, Bundle
from forensics.sessions.tunnel_bundler import Bundler
from forensics.sessions.tunnel_call import is_cli
from forensics.sessions.tunnel_cleaned import Cleaned, cleaned
from forensics.sessions.tunnel_clients import Clients, outside
from forensics.sessions.tunnel_endings import comes_back, no_traffic, open_ends, told_to_end
from forensics.sessions.tunnel_identity import Identity, account, connection_tokens, product
from forensics.sessions.tunnel_leads import leads
from forensics.sessions.tunnel_periods import PROCESS_ENDED, Hosting, Period, close, when, window
from forensics.sessions.tunnel_relay import relay
from forensics.sessions.tunnel_runs import Runs
from forensics.sessions.tunnel_score import Facts, certainty
from forensics.sessions.tunnel_untimed import untimed_clients, untimed_periods, without_client
from forensics.sessions.tunnel_windows import Client
from forensics.times import windows_zone

TECHNIQUE = "T1219.001"  # Remote Access Tools: IDE Tunneling
_SERVICE_NAMES = (".tunnels.api.visualstudio.com", ".devtunnels.ms")
_UNKNOWABLE = (
    "the client's address is not recorded on this host (the server listens on a named pipe); the account's sign-in log"
    " has it",
    "files that a client only read or downloaded leave no record of their own here",
)
_DEV_UNKNOWABLE = (
    "who connected through a dev tunnel, and when, is not recorded on this host: devtunnel writes no log; the account's"
    " sign-in log and the service have it",
)


@dataclass(slots=True)
class _Course:
    """When one tunnel was hosted and who came, with what is to be said of it and the rows that it rests on."""

    periods: list[Period]
    connected: list[Client]
    came: tuple[TunnelClient, ...]
    undated: list[Row]
    reasons: list[str]
    client_reasons: list[str]
    used: list[Row]


class Tunnels:
    """Everything about tunnels that the rows of one host tell."""

    def __init__(
        self, rows: Rows, host: Host, host_label: str, life: HostLife, entries: tuple[PersistenceEntry, ...],
        looked: Looked | None = None,
    ) -> None:  # fmt: skip
        self.label, self.life, self.rows = host_label, life, rows
        self.removed: list[AntiForensic] = []  # known after `sessions`
        self.people, self._looked = People(host.users), looked or Looked()
        self._exits = Exits(rows, life)
        self._runs = Runs(rows, self.people, life, self._exits, window("same_start"))
        zone = windows_zone(host.timezone or "", host.bias_minutes)[0] if host.timezone or host.bias_minutes else None
        self._facts = Facts(rows, self.people, zone)
        bundler = Bundler(rows, self.people, entries, life, self._exits)
        self._bundles = bundler.build()
        self._ssh = bundler.ssh

    def sessions(self) -> tuple[TunnelSession, ...]:
        """One entry for each tunnel, in order of its data folder."""
        return tuple(self._session(bundle) for bundle in self._bundles)

    def findings(self, sessions: Sequence[TunnelSession]) -> tuple[Finding, ...]:
        """What points to a tunnel, or uses the same programs, without being one of these."""
        return tuple(leads(self.rows, self.people, self._ssh, sessions, self.label))

    def _course(self, bundle: Bundle) -> _Course:
        """When it was hosted, and who came."""
        hosting = Hosting(bundle, self.life, self._runs).build()
        periods = hosting.periods
        ssh_reason = self._disown(bundle, periods)
        clients = Clients(bundle, periods, self._exits)
        connected = clients.build()
        reasons, extra = reconcile(periods, connected, self.life)
        reasons += earlier(periods, connected)
        reasons += [*told_to_end(bundle, periods), *open_ends(bundle, periods, self._looked), comes_back(bundle)]
        undated, undated_rows, undated_reasons = untimed_clients(bundle, connected)
        runs, runs_reasons = untimed_periods(bundle, periods)
        periods += runs
        periods.sort(key=when)
        came = (*(client.done() for client in connected), *undated)
        about = [*undated_reasons, *self._client_reasons(bundle, connected, len(came)), *clients.reasons]
        reasons = [*hosting.reasons, *reasons, *runs_reasons, ssh_reason]
        return _Course(periods, connected, came, undated_rows, reasons, about, hosting.extra + clients.extra + extra)

    def _session(self, bundle: Bundle) -> TunnelSession:
        course = self._course(bundle)
        periods = course.periods
        self._network(bundle, periods)
        identity = Identity(bundle, periods, self._exits)
        ups, relay_reasons = relay(bundle, periods)
        word, word_why = certainty(bundle, periods)
        around = Around(self.rows, self.people, bundle, periods)
        who, provider, provider_why = account(bundle, around.logins)
        saved, ports = did.saved(bundle), did.ports(bundle, periods)
        sent, received, traffic = did.traffic(self.rows, bundle, periods)
        facts = self._facts.of(bundle, periods, len(course.came), ports, saved)
        gone = cleaned(self.rows, bundle, periods)
        facts |= {"unregistered": identity.unregistered, "removed": gone.said() if gone.telling else ""}
        scored = hits(rules_of("tunnel"), facts)
        reasons = [
            word_why, *identity.reasons, *course.reasons, *relay_reasons, *course.client_reasons, provider_why,
            *around.reasons,
            did.history_reason(bundle), gone.reason,
            _network_reason(bundle), did.traffic_reason(sent, received, traffic),
            no_traffic(sent, periods, self._looked), _zone_reason(bundle),
            *(because(str(hit), _basis(hit.rule, bundle, course, identity, gone)) for hit in scored),
            capped(scored), self._facts.hours_reason if periods else "",
            *(_DEV_UNKNOWABLE if bundle.product == "devtunnel" else _UNKNOWABLE),
        ]  # fmt: skip
        used = [*gone.rows, *bundle.every, *course.used, *identity.extra, *traffic, *around.used]
        ident = stable_id("tunnel", self.label, bundle.key, identity.id)
        if gone.telling:
            self.removed.append(gone.sign(ident, self.label))
        return TunnelSession(
            id=ident,
            product=product(bundle),
            profile_user=bundle.profile,
            tunnel_name=identity.name,
            tunnel_id=identity.id,
            cluster=identity.cluster,
            account=who,
            provider=provider,
            unregistered=identity.unregistered,
            hosting=tuple(period.done() for period in periods),
            clients=course.came,
            persistence=tuple(sorted(entry.id for entry in bundle.entries)),
            files_saved=saved,
            commands=did.commands(bundle),
            ports_forwarded=ports,
            certainty=word,
            score=total(scored),
            reasons=tuple(dict.fromkeys(reason for reason in reasons if reason)),
            attack=_attack(bundle, scored),
            events=ids_of(used),
            bytes_sent=sent,
            bytes_received=received,
            host=self.label,
            data_dir=bundle.data_dir if bundle.stated and not bundle.data_dir.startswith(LOOSE) else None,
            relay=ups,
            extensions=did.extensions(bundle, periods),
            connection_tokens=connection_tokens(bundle),
            other_tunnel_ids=tuple(sorted(identity.others)),
        )

    def _disown(self, bundle: Bundle, periods: list[Period]) -> str:
        """Give up what Remote-SSH left in the server's folder, which both use: it is told apart by the runs.

        A run of the server is the tunnel's when a window of it is also in the CLI's own folder or log, or when it began
        while the tunnel was hosted.
        """
        if (bundle.profile or "").casefold() not in self._ssh:
            return ""
        runs: dict[str, list[Row]] = {}
        known: set[str] = set()
        for row in [*bundle.of(SERVER), *bundle.of(LOG)]:
            if is_cli(row.source.path):
                known.add(row.get("connection_id"))
            else:
                runs.setdefault(_server_run(row.source.path), []).append(row)
        other = []
        for rows in runs.values():
            first = next((row.time for row in rows if row.time), None)
            hosted = first is not None and any(period.covers(first) for period in periods)
            if not hosted and not {row.get("connection_id") for row in rows} & (known - {""}):
                other += rows
        bundle.drop(SERVER, other)
        text = (
            "the profile's server folder also holds runs outside the hosting: they are of Remote-SSH, which uses it too"
        )
        return because(text, other) if other else ""

    def _network(self, bundle: Bundle, periods: list[Period]) -> None:
        """DNS look-ups and connections of the tunnel service's names while the tunnel was up."""
        spans = [(period.start, period.end or period.last_seen, period.pid) for period in periods if period.start]
        slack = window("channel_to_rpc")
        for row in self.rows.of("dns.queried", "network.connected"):
            name = row.first("query_name", "destination_host").casefold().rstrip(".")
            if not name.endswith(_SERVICE_NAMES) or row.time is None:
                continue
            number = pid(row.get("pid"))
            for start, end, host in spans:
                own = number is not None and number == host
                until = end or (row.time if own else start)
                if start and until and start - slack <= row.time <= until + slack:
                    bundle.add(NETWORK, row)

    def _client_reasons(self, bundle: Bundle, connected: list[Client], came: int) -> list[str]:
        """How many came; when none did, whether that is known."""
        recorded = [client for client in connected if not client.inferred]
        if recorded:
            rows = [row for client in recorded for row in client.rows]
            return [because(f"{len(recorded)} remote connections are recorded", rows)]
        if bundle.product == "devtunnel":
            return []
        words = without_client(bundle, self._looked)
        used = bundle.of(STATE, "tunnel.server_used")
        if came and not used:
            return []
        if used or bundle.of(SERVER):
            reasons = (
                []
                if came
                else [f"a server for remote clients was downloaded or ran; the logs at hand name no connection{words}"]
            )
            times = [row.time for row in used if row.time and row.meaning == "Content Modification Time"]
            if times:
                text = f"the list of servers was written last at {stamp(max(times))}, as at each attach of a client"
                reasons.append(because(f"{text} (inference; --install-extension writes it, too)", used))
            return reasons
        if bundle.of(LOG) or not self._looked.known:
            text = "no remote connection is recorded in the logs at hand (the CLI's log holds its last run only)"
            return [text + words]
        return [f"whether clients connected is not known: nothing at hand would tell of them{words}"]


def _attack(bundle: Bundle, scored: Sequence[Hit]) -> tuple[str, ...]:
    """The techniques of what was met and of its autostart entries."""
    of_entries = {item for entry in bundle.entries for item in entry.attack}
    return tuple(sorted({TECHNIQUE, *of_entries, *(item for hit in scored for item in hit.attack)}))


def reconcile(periods: list[Period], connected: list[Client], life: HostLife) -> tuple[list[str], list[Row]]:
    """Correct periods that ended with one process although clients came later: (reasons, rows used).

    The first process of a hosting often starts a hidden second one and ends; without the CLI's log only that is seen.
    """
    reasons: list[str] = []
    extra: list[Row] = []
    starts = sorted(period.start for period in periods if period.start)
    ordered = sorted(connected, key=lambda item: item.start)
    came = [client.start for client in ordered]
    for period in periods:
        if period.start is None or period.end is None or period.reason != PROCESS_ENDED:
            continue
        place = bisect_right(starts, period.start)
        following = starts[place] if place < len(starts) else None
        until = bisect_left(came, following) if following else len(came)
        later = [client for client in ordered[bisect_right(came, period.end) : until]
                 if not life.boot_between(period.end, client.start)]  # fmt: skip
        if not later:
            continue
        last = max(client.end or client.start for client in later)
        text = f"the process that began hosting ended at {stamp(period.end)}, but clients came until {stamp(last)}"
        reasons.append(because(f"{text}: hosting went on in another process", later[-1].rows))
        period.end, period.reason, period.last_seen = None, None, last
        extra += close(period, life, reasons)
    return reasons, extra


def earlier(periods: list[Period], connected: list[Client]) -> list[str]:
    """Add the periods that clients alone tell of: the CLI's log holds its last run only."""
    reasons: list[str] = []
    current: Period | None = None
    starts = sorted(period.start for period in periods if period.start)
    for client in sorted(outside(connected, periods), key=lambda item: item.start):
        last = current.last_seen if current else None
        if current is None or last is None or any(last < start <= client.start for start in starts):
            current = Period(None, start_latest=client.start, last_seen=client.start)
            periods.append(current)
            text = f"hosting at {stamp(client.start)} is known by its clients alone: when it began is not recorded"
            reasons.append(because(text, client.rows))
        current.last_seen = max(current.last_seen or client.start, client.end or client.start)
    return reasons


def _server_run(path: str) -> str:
    """The folder of one run of the server (`data/logs/<stamp>`), in whatever part of it a log lies."""
    before, logs, rest = path.partition("/data/logs/")
    return f"{before}{logs}{rest.partition('/')[0]}" if logs else path.rpartition("/")[0]


def _network_reason(bundle: Bundle) -> str:
    rows = bundle.of(NETWORK)
    text = "names of the tunnel service were looked up or connected to while it was up"
    return because(text, rows) if rows else ""


def _zone_reason(bundle: Bundle) -> str:
    rows = [row for row in bundle.of(LOG) if row.get("log_time_if_utc")]
    text = "the zone of the log is undecided: its times are read as local; the other reading (UTC) stands beside them"
    return because(text, rows) if rows else ""


def _basis(rule: str, bundle: Bundle, course: _Course, identity: Identity, gone: Cleaned) -> list[Row]:
    """The rows that a rule's facts come from."""
    if rule == "TUN-01":
        return [row for client in course.connected for row in client.rows] or course.undated
    if rule == "TUN-08":
        return identity.unregistered_by
    if rule == "TUN-16":
        return [*gone.telling]
    if rule == "TUN-09":
        return bundle.of(LOG, "tunnel.port_forwarded") or [row for row, call in bundle.calls if call.anonymous]
    if rule == "TUN-10":
        return bundle.of(SAVED)
    return (
        [row for row, _ in bundle.calls] + bundle.of(RUN) or bundle.of(LOG, "tunnel.host_started") or bundle.of(FILES)
    )
