"""Event artifacts around a sandbox on the host: network, filters, packages, remote desktop client, firewall."""

from __future__ import annotations

import io
import struct
from ipaddress import ip_address

import pytest

from forensics.artifacts import event_windows_update
from forensics.artifacts.event_firewall import matters
from forensics.formats.evtx import LogReader, Record
from forensics.formats.sandboxids import DEFAULT_SWITCH, user_hash
from forensics.model import Source
from tests.artifacts.event_logs import one, own, written

USER = "S-1-5-21-1-2-3-1001"
VM = "6B3C1A52-7F04-4D2E-9C11-0A5D3E8F7B21"
SANDBOX = "MicrosoftWindows.WindowsSandbox_0.8.107.0_x64__cw5n1h2txyewy"
NAMED = {"package_name": SANDBOX, "package_version": "0.8.107.0"}


class TestNetworkService:
    @pytest.mark.parametrize(
        ("channel", "number"),
        [("Microsoft-Windows-Host-Network-Service-Admin", 1000),
         ("Microsoft-Windows-Host-Network-Service-Operational", 1100)],
    )  # fmt: skip
    def test_all_that_a_record_says_is_kept(self, channel, number):
        fact = one(channel, number, pid=3120, data={"Description": "Endpoint", "NetworkId": VM})
        assert (fact.kind, fact.context) == ("hns.logged", True)
        assert own(fact) == {"event_data": f"Description=Endpoint; NetworkId={VM}", "pid": "3120"}
        fact = one(channel, number, data={"Description": "Network", "NetworkId": DEFAULT_SWITCH.lower()})
        assert (fact.context, fact.fields["switch_id"]) == (False, DEFAULT_SWITCH)


def sockaddr(address, port):
    """A SOCKADDR_IN or SOCKADDR_IN6 of Windows."""
    packed = ip_address(address).packed
    if len(packed) == 4:
        return struct.pack("<H", 2) + struct.pack(">H", port) + packed + bytes(8)
    return struct.pack("<H", 23) + struct.pack(">HI", port, 0) + packed + bytes(4)


class TestNat:
    CHANNEL = "Microsoft-Windows-WinNat/Oper"

    @pytest.mark.parametrize(
        ("number", "kind"),
        [(1001, "nat.flow_opened"), (1017, "nat.flow_opened"), (1005, "nat.flow_closed"), (1018, "nat.flow_closed")],
    )
    @pytest.mark.parametrize(
        ("guest", "remote", "host"),
        [("172.24.51.7", "20.1.2.3", "192.168.1.20"), ("fd00::7", "2603:1000::1", "2001:db8::20")],
    )
    def test_flows(self, number, kind, guest, remote, host):
        fact = one(self.CHANNEL, number, data={
            "InternalSrcAddr": sockaddr(guest, 50100), "InternalDstAddr": sockaddr(remote, 443),
            "ExternalSrcAddr": sockaddr(host, 61000), "ExternalDstAddr": sockaddr(remote, 443), "TransportProtocol": 6,
        })  # fmt: skip
        assert (fact.kind, fact.context) == (kind, True)
        assert own(fact) == {
            "source_ip": guest, "source_port": "50100", "destination_ip": remote, "destination_port": "443",
            "translated_ip": host, "translated_port": "61000", "protocol": "tcp",
        }  # fmt: skip

    @pytest.mark.parametrize("cut", range(16))
    def test_cut_addresses(self, cut):
        fact = one(self.CHANNEL, 1017, data={
            "InternalSrcAddr": sockaddr("172.24.51.7", 50100)[:cut], "TransportProtocol": 99,
        })  # fmt: skip
        said = {"source_ip": "172.24.51.7", "source_port": "50100"} if cut >= 8 else {}
        assert own(fact) == {**said, "protocol": "99"}

    @pytest.mark.parametrize(
        ("number", "kind", "data"),
        [
            (1019, "nat.instance_created", {"PrefixLength": 20, "AddressPrefix": 0x003018AC}),
            (1022, "nat.instance_deleted", {
                "ExternalIPInterfaceAddressPrefixLength": 20, "ExternalIPInterfaceAddressPrefix": 0x003018AC,
            }),
        ],
    )  # fmt: skip
    def test_instances(self, number, kind, data):
        fact = one(self.CHANNEL, number, data={
            **data, "InstanceName": "ICS-NAT", "InternalRoutingDomainId": f"{{{VM.lower()}}}", "CompartmentId": 2,
        })  # fmt: skip
        assert (fact.kind, fact.context) == (kind, True)
        assert own(fact) == {
            "nat_name": "ICS-NAT", "network_prefix": "172.24.48.0/20", "compartment_id": "2", "routing_domain_id": VM,
        }  # fmt: skip


@pytest.mark.parametrize("name", ["Wcifs", "BindFlt", "Wcnfs"])
def test_container_filters(name):
    channel = f"Microsoft-Windows-Containers-{name}/Operational"
    for number, kind in ((2, "container_filter.loaded"), (4, "container_filter.unloaded")):
        fact = one(channel, number)
        assert (fact.kind, fact.context, own(fact)) == (kind, True, {"filter_name": name})
    fact = one(channel, 3, data={"NTStatus": 0xC0000034, "VolumeName": "\\Device\\HarddiskVolume3"})
    assert (fact.kind, fact.context) == ("container_filter.failed", True)
    assert own(fact) == {
        "filter_name": name, "error_code": "0xc0000034", "volume_name": "\\Device\\HarddiskVolume3"
    }  # fmt: skip
    assert one(channel, 1, data={"NTStatus": 0xC0000034}).fields["error_code"] == "0xc0000034"


class TestPackages:
    CHANNEL = "Microsoft-Windows-AppXDeploymentServer/Operational"
    OTHER = "Microsoft.WindowsCalculator_11.2405.2.0_x64__8wekyb3d8bbwe"

    @pytest.mark.parametrize(
        ("number", "data", "kind", "said"),
        [
            (400, {"PackageFullName": SANDBOX, "DeploymentOperation": 1, "Path": "x-windowsupdate://A",
                   "CallingProcess": "svchost.exe"},
             "package.deployed",
             {**NAMED, "deployment_operation": "1", "file_path": "x-windowsupdate://A", "client_id": "svchost.exe"}),
            (401, {"PackageFullName": SANDBOX, "DeploymentOperation": 1, "ErrorCode": 0x80073CF6},
             "package.failed", {**NAMED, "deployment_operation": "1", "error_code": "0x80073cf6"}),
            (404, {"PackageFullName": SANDBOX, "SummaryError": "no", "ErrorCode": 0x80073CF6},
             "package.failed", {**NAMED, "reason": "no", "error_code": "0x80073cf6"}),
            (603, {"Path": f"C:\\x\\{SANDBOX}.msix", "DeploymentOperation": 5}, "package.deployment_step",
             {"file_path": f"C:\\x\\{SANDBOX}.msix", "deployment_operation": "5", "reason": "asked for"}),
            (607, {"PackageFullName": SANDBOX, "DeploymentOperation": 5, "UserSid": USER}, "package.deployment_step",
             {**NAMED, "deployment_operation": "5", "reason": "begun for a user", "user_sid": USER}),
            (613, {"PackageFullName": SANDBOX, "DeploymentOperation": 5, "Summary": "12 ms"},
             "package.deployment_step", {**NAMED, "deployment_operation": "5", "reason": "12 ms"}),
            (821, {"MainPackageFullName": SANDBOX, "UserSid": USER}, "package.deployment_step",
             {**NAMED, "reason": "read from the store of all users", "user_sid": USER}),
            (822, {"PackageMoniker": SANDBOX, "Error": 5}, "package.deployment_step",
             {**NAMED, "reason": "written to the store of all users", "error_code": "0x5"}),
            (854, {"Path": f"C:\\{SANDBOX}"}, "package.deployment_step",
             {"file_path": f"C:\\{SANDBOX}", "reason": "given a source"}),
            (855, {"PackageMoniker": SANDBOX}, "package.deployment_step", {**NAMED, "reason": "resolved"}),
            (10001, {"PackageFullName": SANDBOX}, "package.deployment_step",
             {**NAMED, "reason": "checked for dependencies"}),
        ],
    )  # fmt: skip
    def test_the_sandbox(self, number, data, kind, said):
        fact = one(self.CHANNEL, number, user_sid="S-1-5-18", data=data)
        assert (fact.kind, fact.context) == (kind, False)
        assert own(fact) == {"user_sid": "S-1-5-18", **said}

    @pytest.mark.parametrize(
        ("number", "name"), [(400, "PackageFullName"), (404, "PackageFullName"), (607, "PackageFullName"),
                             (822, "PackageMoniker"), (854, "Path"), (10001, "PackageFullName")],
    )  # fmt: skip
    def test_others_are_left_out(self, number, name):
        assert written(self.CHANNEL, number, data={name: self.OTHER}) == []

    RUNTIME = "Microsoft-Windows-AppModel-Runtime/Admin"
    IMAGE = "C:\\Program Files\\WindowsApps\\" + SANDBOX + "\\WindowsSandboxServer.exe"

    @pytest.mark.parametrize(("name", "context"), [(SANDBOX, False), (OTHER, True)])
    def test_programs_and_containers(self, name, context):
        named = {"package_name": name, "package_version": name.split("_")[1], "user_sid": USER}
        image = self.IMAGE.replace(SANDBOX, name) if not context else "C:\\calc.exe"
        process = {"PackageName": name, "ImageName": image, "ApplicationName": "App", "Message": "ok"}
        shown = {
            "executable": image,
            "executable_name": image.rpartition("\\")[2],
            "application": "App",
            "reason": "ok",
        }
        container = {"PackageName": name, "ContainerId": f"{{{VM.lower()}}}"}
        for number, kind, data, said in (
            (201, "app.process_created", {**process, "ProcessID": 6700}, {**shown, "pid": "6700"}),
            (202, "app.process_failed", {**process, "ErrorCode": 5}, {**shown, "error_code": "5"}),
            (210, "app.container_created", {**container, "ContainerName": "c"},
             {"container_id": VM, "container_name": "c"}),
            (211, "app.container_joined", {**container, "ProcessID": 6700}, {"container_id": VM, "pid": "6700"}),
            (217, "app.container_destroyed", container, {"container_id": VM}),
        ):  # fmt: skip
            fact = one(self.RUNTIME, number, user_sid=USER, data=data)
            assert (fact.kind, fact.context) == (kind, context)
            assert own(fact) == {**named, **said}


class TestUpdates:
    @pytest.mark.parametrize(
        ("number", "kind"),
        [(19, "update.installed"), (43, "update.install_started"), (44, "update.download_started")],
    )
    def test_the_sandbox(self, number, kind):
        title = "9P6RC76MSMMJ-MicrosoftWindows.WindowsSandbox"
        data = {"updateTitle": title, "updateGuid": f"{{{VM}}}", "updateRevisionNumber": 1}
        fact = one("System", number, user_sid="S-1-5-18", data=data)
        assert (fact.kind, fact.context) == (kind, False)
        assert own(fact) == {
            "update_name": title, "update_id": VM, "update_revision": "1", "user_sid": "S-1-5-18"
        }  # fmt: skip
        assert written("System", number, data={**data, "updateTitle": "Security Intelligence Update"}) == []

    @pytest.mark.samples
    def test_real_records_have_these_fields(self, samples, monkeypatch):
        """The log of a Windows 10 host with apps of the Store, read as if every title were watched."""
        monkeypatch.setattr(event_windows_update, "is_watched", lambda _title: True)
        data = (samples / "evtx/odd/2-vss_7-System.evtx").read_bytes()
        found = [
            fact
            for record in LogReader(io.BytesIO(data), frozenset({19, 43, 44}))
            if isinstance(record, Record) and record.provider == "Microsoft-Windows-WindowsUpdateClient"
            for fact in event_windows_update.parse(record, Source("e", "p", None, "r"))
        ]
        apps = [fact for fact in found if fact.fields["update_name"] == "9NBLGGH5PNB1-Microsoft.OneConnect"]
        assert {fact.kind for fact in apps} >= {"update.install_started", "update.download_started"}
        assert "8660E6C7-474F-4EA1-8AF1-CE8AB3FA266C" in {fact.fields["update_id"] for fact in apps}
        assert {fact.fields["event_identifier"] for fact in found} == {19, 43, 44}


class TestRemoteDesktopClient:
    CHANNEL = "Microsoft-Windows-TerminalServices-RDPClient/Operational"

    @pytest.mark.parametrize(
        ("number", "kind", "data", "said", "context"),
        [
            (1024, "connecting", {"Name": "Server Name", "Value": "srv1"}, {"destination_host": "srv1"}, True),
            (1024, "connecting", {"Value": VM.lower()}, {"destination_host": VM.lower(), "vm_id": VM}, False),
            (1025, "connected", {}, {}, True),
            (1026, "disconnected", {"Value": 263}, {"result_code": "263"}, True),
            (1027, "logged_on", {"DomainName": "CORP", "SessionId": 2},
             {"target_user_domain": "CORP", "session_id": "2"}, True),
            (1029, "user", {"TraceMessage": user_hash("Administrator") + "-"},
             {"user_hash": "UmTGMgTFbA35+PSgMOoZ2ToPpAK+awC010ZOYWQQIfc="}, True),
            (1029, "user", {"TraceMessage": "4Hj3MagGoiS5jlUPtaE9oFQASfTeuv0YxZ1BnpHIT5I="},
             {"user_hash": "4Hj3MagGoiS5jlUPtaE9oFQASfTeuv0YxZ1BnpHIT5I=",
              "target_user_name": "WDAGUtilityAccount"}, False),
            (1029, "user", {"TraceMessage": "no hash"}, {}, True),
            (1102, "transport_started", {"Value": "10.0.0.5"}, {"destination_host": "10.0.0.5"}, True),
            (1103, "transport_connected", {}, {}, True),
            (1105, "transport_disconnected", {}, {}, True),
        ],
    )  # fmt: skip
    def test_steps(self, number, kind, data, said, context):
        fact = one(self.CHANNEL, number, user_sid=USER, pid=6700, data=data)
        assert (fact.kind, fact.context) == (f"rdp_client.{kind}", context)
        assert own(fact) == {"user_sid": USER, "pid": "6700", **said}


def test_sandbox_client():
    fact = one("Microsoft-Windows-Sandbox-Client-Diagnostics/Admin", 1, user_sid=USER, pid=6700, data={"Message": "x"})
    assert (fact.kind, fact.context) == ("sandbox.diagnostic", False)
    assert own(fact) == {"event_data": "Message=x", "user_sid": USER, "pid": "6700"}


RULE = {
    "RuleId": "{A}", "ServiceName": "", "Direction": 1, "Action": 3, "RemotePorts": "*", "LocalAddresses": "*",
    "RemoteAddresses": "LocalSubnet", "ModifyingUser": USER, "ModifyingApplication": "C:\\Windows\\netsh.exe",
    "Active": 1,
}  # fmt: skip


class TestFirewall:
    CHANNEL = "Microsoft-Windows-Windows Firewall With Advanced Security/Firewall"

    @pytest.mark.parametrize(
        ("number", "kind"),
        [(2004, "added"), (2071, "added"), (2097, "added"), (2005, "changed"), (2073, "changed"), (2099, "changed")],
    )
    @pytest.mark.parametrize(
        ("name", "ports", "program", "protocol", "context"),
        [
            ("Cortana", "47000", "C:\\x.exe", 6, False),
            ("HNS Container Networking - DNS (UDP-In) - A - 0", "53", "C:\\svchost.exe", 17, False),
            ("Sandbox", "*", "C:\\Windows\\System32\\WindowsSandbox.exe", 6, False),
            ("Teams", "443", "C:\\teams.exe", 6, False),
        ],
    )
    def test_rules(self, number, kind, name, ports, program, protocol, context):
        fact = one(self.CHANNEL, number, user_sid="S-1-5-19", data={
            **RULE, "RuleName": name, "LocalPorts": ports, "ApplicationPath": program, "Protocol": protocol,
        })  # fmt: skip
        assert (fact.kind, fact.context) == (f"firewall.rule_{kind}", context)
        assert own(fact) == {
            "rule_id": "{A}", "rule_name": name, "executable": program, "executable_name": program.rpartition("\\")[2],
            "direction": "in", "action": "allow", "protocol": "udp" if protocol == 17 else "tcp", "local_ports": ports,
            "remote_ports": "*", "local_addresses": "*", "remote_addresses": "LocalSubnet", "enabled": True,
            "user_sid": USER, "changed_by": "C:\\Windows\\netsh.exe",
        }  # fmt: skip

    @pytest.mark.parametrize(
        "change",
        [{"ModifyingApplication": "C:\\Windows\\System32\\svchost.exe"}, {"Direction": 2}, {"Action": 2}],
    )
    def test_what_lets_nobody_in_or_windows_made_is_context(self, change):
        data = {**RULE, "RuleName": "Teams", "LocalPorts": "443", "ApplicationPath": "C:\\teams.exe", **change}
        assert one(self.CHANNEL, 2004, data=data).context

    @pytest.mark.parametrize("number", [2006, 2052])
    @pytest.mark.parametrize(("name", "context"), [("HNS Container Networking - ICS DNS (TCP-In)", False), ("x", True)])
    def test_deleted(self, number, name, context):
        fact = one(self.CHANNEL, number, data={
            "RuleId": "{A}", "RuleName": name, "ModifyingUser": USER, "ModifyingApplication": "C:\\a.exe",
        })  # fmt: skip
        assert (fact.kind, fact.context) == ("firewall.rule_deleted", context)
        assert own(fact) == {"rule_id": "{A}", "rule_name": name, "user_sid": USER, "changed_by": "C:\\a.exe"}

    @pytest.mark.parametrize(
        ("ports", "kept"),
        [("47000", True), ("80,46999-47001", True), ("1-65535", True), ("4700", False), ("147000", False),
         ("47001-47002", False), ("RPC", False), ("", False)],
    )  # fmt: skip
    def test_ports(self, ports, kept):
        assert matters("x", "", "", ports) is kept
