"""A log is understood by another log of the same drive that its artifact names by a glob."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tests.running import timeline

LINE = "[2026-02-01 10:00:00] info [tunnels::connections::relay_tunnel_host] Opened new client on channel 1\n"
LOG = "C/Users/a/.vscode/cli/tunnel-service.log"
DESKTOP = "C/Users/a/AppData/Roaming/Code/logs/20260201T120000/remoteTunnelService.log"


def _zone(path: Path, files: dict[str, str]) -> tuple[str, str]:
    with zipfile.ZipFile(path / "c.zip", "w") as target:
        for name, text in {**files, "C/Windows/System32/config/SYSTEM": ""}.items():
            target.writestr(name, text)
    run = timeline(path / "c.zip", path / "case", "-q", "--all-events")
    rows = [*run.lines("timeline.jsonl"), *run.lines("undated.jsonl")]
    (row,) = (row for row in rows if "tunnel-service.log" in str(row) and "channel 1" in str(row))
    fields = row.get("fields", row)  # a row without a time has them apart
    return fields["log_zone"], fields["log_zone_reason"]


def test_the_desktops_log_decides_the_zone_of_the_clis(tmp_path: Path) -> None:
    desktop = f"2026-02-01 13:00:00.120 [info] {LINE}"
    (tmp_path / "with").mkdir()
    zone, reason = _zone(tmp_path / "with", {LOG: LINE, DESKTOP: desktop})
    assert zone == "utc"
    assert "the same lines in remoteTunnelService.log is +3.00 h" in reason
    (tmp_path / "without").mkdir()
    assert _zone(tmp_path / "without", {LOG: LINE})[0] == "undecided"
