"""Event artifacts of virtual machines, Sysmon, PowerShell, DNS and Windows features, on logs written for them."""

from __future__ import annotations

import pytest

from forensics.formats.sandboxids import pipe_guid, vm_account
from tests.artifacts.event_logs import one, own, written

VM = "6B3C1A52-7F04-4D2E-9C11-0A5D3E8F7B21"
PORT = "0E9B7C44-1D2F-4A63-8B57-C2D1E0F9A8B7"
NIC = {"NicName": f"{VM}--{PORT}", "NicFName": ""}
SANDBOX = "C:\\Windows\\System32\\WindowsSandbox.exe"
SYSMON = "Microsoft-Windows-Sysmon/Operational"
PROCESS = {
    "ProcessGuid": "{5F3A9C21-0001-0002-0003-000000000D00}", "ProcessId": 6700, "UtcTime": "2024-12-04 10:02:11.123"
}  # fmt: skip
SAID = {"process_guid": "5F3A9C21-0001-0002-0003-000000000D00", "pid": "6700"}
TUNNEL = "jpe1.tunnels.api.visualstudio.com"


class TestVirtualMachines:
    def test_network_card(self):
        fact = one("System", 232, pid=4321, user_sid="S-1-5-83-1-1-2-3-4", data={
            **NIC, "PortName": PORT, "SwitchName": "C08CB7B8-9B3C-408E-8E30-5E16A3AEB444",
            "SwitchFName": "Default Switch",
        })  # fmt: skip
        assert (fact.kind, fact.context) == ("vm.nic_connected", False)
        assert own(fact) == {
            "vm_id": VM, "port_name": PORT, "nic_name": f"{VM}--{PORT}", "switch_name": "Default Switch",
            "switch_id": "C08CB7B8-9B3C-408E-8E30-5E16A3AEB444", "pid": "4321", "user_sid": "S-1-5-83-1-1-2-3-4",
        }  # fmt: skip
        fact = one("System", 233, data={**NIC, "Operation": 8})
        assert (fact.kind, fact.fields["vm_id"]) == ("vm.nic_deleted", VM)
        assert written("System", 233, data={**NIC, "Operation": 3}) == []

    def test_a_card_without_a_machine_in_its_name(self):
        """A Hyper-V machine's card has an id of its own; the account that logs it says whose it is."""
        fact = one("System", 234, user_sid=vm_account(VM), data={"NicName": PORT})
        assert (fact.kind, fact.fields["vm_id"], fact.fields["nic_name"]) == ("vm.nic_disconnected", VM, PORT)
        assert "vm_id" not in one("System", 232, user_sid="S-1-5-18", data={"NicName": PORT}).fields

    SWITCH = "Microsoft-Windows-Hyper-V-VmSwitch-Operational"

    def test_switch_log(self):
        assert one(self.SWITCH, 232, data=NIC).kind == "vm.nic_connected"
        assert written(self.SWITCH, 0, data={"netPnpEvent": "NetEventBindsComplete"}) == []
        fact = one(
            self.SWITCH, 0, pid=4, data={"netPnpEvent": "x", "nicName": f"NIC {VM.lower()}--{PORT}", "Status": 5}
        )
        assert (fact.kind, fact.context) == ("vm.nic_traced", True)
        assert own(fact) == {
            "vm_id": VM, "nic_name": f"{VM.lower()}--{PORT}", "pid": "4",
            "event_data": f"netPnpEvent=x; nicName=NIC {VM.lower()}--{PORT}; Status=5",
        }  # fmt: skip
        assert one(self.SWITCH, 102, data=NIC).fields["vm_id"] == VM

    COMPUTE = "Microsoft-Windows-Hyper-V-Compute-Operational"
    SETTINGS = '{"ResourceUri":"VirtualMachine/Devices/VirtualSmb","Settings":{"Path":"C:\\\\Users"}}'

    @pytest.mark.parametrize(
        ("number", "kind"),
        [(2000, "compute.created"), (2001, "compute.started"), (2002, "compute.shut_down"),
         (2003, "compute.terminated")],
    )  # fmt: skip
    def test_compute(self, number, kind):
        fact = one(self.COMPUTE, number, data={"SystemId": "{" + VM.lower() + "}", "Result": "0xC0370103"})
        assert (fact.kind, fact.context) == (kind, False)
        assert own(fact) == {"vm_id": VM, "result_code": "0xC0370103"}

    def test_an_unexplained_step_is_context(self):
        container = "45539421c3ace02dd8d16ec004d9b4cf3c3b2c83"
        fact = one(self.COMPUTE, 2010, data={"SystemId": container})
        assert (fact.kind, fact.context) == ("compute.logged", True)
        assert own(fact) == {"vm_id": container.upper(), "event_data": f"SystemId={container}"}

    ADMIN = "Microsoft-Windows-Hyper-V-Compute-Admin"
    LIBRARY = "Microsoft-Windows-Hyper-V-ComputeLib"

    def test_the_service_starts(self):
        fact = one(self.ADMIN, 1001, user_sid="S-1-5-18")
        assert (fact.kind, fact.context, own(fact)) == ("compute.service_started", False, {"user_sid": "S-1-5-18"})

    @pytest.mark.parametrize(
        ("number", "action"),
        [(1000, "create"), (1001, "start"), (1002, "terminate"), (1003, "execute a command in"),
         (1004, "create a process in"), (1005, "resize the console of"), (1006, "modify a resource of")],
    )  # fmt: skip
    def test_failures(self, number, action):
        fact = one(self.ADMIN, number, provider=self.LIBRARY, data={
            "Id": VM.lower(), "ErrorMessage": "Access is denied.\r\n", "ErrorCode": "0x80070005",
        })  # fmt: skip
        assert (fact.kind, fact.context) == ("compute.failed", False)
        assert own(fact) == {
            "vm_id": VM, "action": action, "reason": "Access is denied.", "error_code": "0x80070005"
        }  # fmt: skip

    @pytest.mark.parametrize(
        "data",
        [
            {"SystemId": VM.lower(), "Parameter0": SETTINGS, "Result": "0x00000000"},
            {"SystemId": "",
             "Parameter0": f"[{VM.lower()}] Modify compute system, settings {SETTINGS} result 0x00000000"},
        ],
    )  # fmt: skip
    def test_modified(self, data):
        fact = one(self.COMPUTE, 2007, data=data)
        assert own(fact) == {"vm_id": VM, "settings_json": self.SETTINGS, "result_code": "0x00000000"}

    @pytest.mark.parametrize(
        ("number", "kind", "reason"),
        [(18500, "vm.started", None), (18502, "vm.turned_off", None),
         (18504, "vm.shut_down", "by the shutdown service"),
         (18508, "vm.shut_down", "by the guest itself; patching"), (18512, "vm.reset", "by its manager"),
         (18514, "vm.reset", "by its guest")],
    )  # fmt: skip
    def test_worker(self, number, kind, reason):
        data = {"VmName": "WindowsSandbox", "VmId": VM.lower()}
        if number in (18504, 18508):
            data["Reason"] = "patching" if number == 18508 else ""
        fact = one("Microsoft-Windows-Hyper-V-Worker-Admin", number, pid=4321, data=data)
        expected = {"vm_id": VM, "vm_name": "WindowsSandbox", "pid": "4321"}
        assert (fact.kind, own(fact)) == (kind, expected | ({"reason": reason} if reason else {}))
        assert not fact.context

    @pytest.mark.parametrize(
        ("number", "kind"), [(18596, "vm.restored"), (18601, "vm.booted"), (18609, "vm.initialised")]
    )
    def test_what_a_worker_says_from_memory_is_context(self, number, kind):
        fact = one("Microsoft-Windows-Hyper-V-Worker-Admin", number, data={"VmName": "x", "VmId": VM})
        assert (fact.kind, fact.context, fact.fields["vm_id"]) == (kind, True, VM)

    def test_a_failed_start(self):
        fact = one("Microsoft-Windows-Hyper-V-Worker-Admin", 33101, user_sid=vm_account(VM), data={
            "VmName": "x", "Device": "Virtual PCI Express Port", "ErrorCode": 0x8007051A,
        })  # fmt: skip
        assert (fact.kind, fact.context) == ("vm.failed", False)
        assert own(fact) == {
            "vm_id": VM, "vm_name": "x", "user_sid": vm_account(VM), "pid": "0",
            "event_data": "VmName=x; Device=Virtual PCI Express Port; ErrorCode=0x8007051a",
        }  # fmt: skip

    MANAGER = "Microsoft-Windows-Hyper-V-VMMS-Admin"

    @pytest.mark.parametrize(
        ("number", "kind"), [(13002, "vm.configured"), (18304, "vm.configured"), (13003, "vm.deleted")]
    )
    def test_the_manager_sets_up_and_deletes(self, number, kind):
        fact = one(self.MANAGER, number, pid=1728, user_sid="S-1-5-18", data={"VmName": "VM 検証", "VmId": VM.lower()})
        assert (fact.kind, fact.context) == (kind, False)
        assert own(fact) == {"vm_id": VM, "vm_name": "VM 検証", "pid": "1728", "user_sid": "S-1-5-18"}

    @pytest.mark.parametrize("number", [1540, 1550, 1560, 1570])
    def test_traces(self, number):
        fact = one("Microsoft-Windows-Hyper-V-Worker-Operational", number, data={
            "VmId": VM.lower(), "TraceData": "Gsp server unavailable",
        })  # fmt: skip
        assert (fact.kind, fact.context, fact.fields["vm_id"]) == ("vm.traced", True, VM)
        assert fact.fields["event_data"] == f"VmId={VM.lower()}; TraceData=Gsp server unavailable"

    @pytest.mark.parametrize(
        ("path", "machine", "context"),
        [("C:\\ProgramData\\Microsoft\\Windows\\Containers\\Sandboxes\\A\\sandbox.vhdx", "", False),
         ("D:\\WSL\\ext4.vhdx", VM, False),
         ("D:\\WSL\\ext4.vhdx", "", True)],
    )  # fmt: skip
    def test_disk(self, path, machine, context):
        """A machine's own disks tell what it is; what the host itself opens matters only when it is watched."""
        fact = one("Microsoft-Windows-VHDMP-Operational", 12, pid=9, data={
            "VhdFile": "\\\\?\\" + path, "VmId": machine or "00000000-0000-0000-0000-000000000000", "VhdType": 2,
            "ReadOnly": False, "Status": 0,
        })  # fmt: skip
        assert (fact.kind, fact.context) == ("vm.disk_opened", context)
        named = {"vm_id": machine} if machine else {}
        assert own(fact) == {"disk_path": path, **named, "disk_type": "VHDX", "read_only": False, "pid": "9"}

    VHDMP = "Microsoft-Windows-VHDMP-Operational"
    DISK = "C:\\ProgramData\\Microsoft\\Windows\\Containers\\ContainerStorages\\A\\sandbox.vhdx"

    def test_a_disk_that_could_not_be_opened(self):
        fact = one(self.VHDMP, 13, data={"VhdFile": self.DISK, "VmId": VM, "VhdType": 2, "Status": 0xC0000034})
        assert (fact.kind, fact.context) == ("vm.disk_failed", False)
        assert (fact.fields["error_code"].lower(), fact.fields["vm_id"]) == ("0xc0000034", VM)

    def test_a_handle_is_told_where_it_opens_and_closes(self):
        opened = one(self.VHDMP, 12, data={"VhdFile": self.DISK, "VmId": VM, "HandleContext": 0xFFFFA80112345678})
        closed = one(self.VHDMP, 14, data={"HandleContext": 0xFFFFA80112345678})
        assert (closed.kind, closed.context) == ("vm.disk_traced", True)
        assert opened.fields["disk_handle"] == closed.fields["disk_handle"]

    @pytest.mark.parametrize(
        ("number", "kind", "more", "named"),
        [
            (1, "vm.disk_attached", {"VhdDiskNumber": 2}, {"disk_number": "2"}),
            (2, "vm.disk_detached", {"VhdDiskNumber": 2}, {"disk_number": "2"}),
            (17, "vm.disk_attached", {"VhdDiskNumber": 3}, {"disk_number": "3"}),
            (18, "vm.disk_detached", {"VhdDiskNumber": 3}, {"disk_number": "3"}),
            (19, "vm.disk_attached", {"VhdInstanceId": PORT}, {"disk_instance": PORT}),
            (20, "vm.disk_detached", {"VhdInstanceId": PORT}, {"disk_instance": PORT}),
        ],
    )
    def test_a_disk_comes_and_goes(self, number, kind, more, named):
        fact = one(self.VHDMP, number, pid=4, data={"VhdFileName": self.DISK, **more})
        assert (fact.kind, fact.context) == (kind, False)
        assert own(fact) == {"disk_path": self.DISK, **named, "pid": "4"}
        assert one(self.VHDMP, number, data={"VhdFileName": "C:\\windows.iso", **more}).context

    def test_a_disk_is_let_go(self):
        fact = one(self.VHDMP, 36, pid=9, data={"VhdFile": self.DISK, "VmId": VM})
        assert (fact.kind, fact.context) == ("vm.disk_closed", False)
        assert own(fact) == {"disk_path": self.DISK, "vm_id": VM, "pid": "9"}


class TestSysmon:
    def sysmon(self, number, **data):
        return one(SYSMON, number, data={**PROCESS, **data})

    @pytest.mark.parametrize("number", [23, 26])
    @pytest.mark.parametrize(("path", "context"), [("C:\\x\\default.wsb", False), ("C:\\x\\a.txt", True)])
    def test_a_deleted_file(self, number, path, context):
        fact = self.sysmon(
            number, Image="C:\\Windows\\System32\\cmd.exe", User="WS-TANAKA\\田中", TargetFilename=path,
            Hashes="SHA256=AA", Archived=number == 23,
        )  # fmt: skip
        assert (fact.kind, fact.context) == ("file.deleted", context)
        assert own(fact) == {
            **SAID, "executable": "C:\\Windows\\System32\\cmd.exe", "executable_name": "cmd.exe", "file_path": path,
            "file_name": path[5:], "hashes": "SHA256=AA", "is_archived": number == 23, "user_name": "田中",
            "user_domain": "WS-TANAKA",
        }  # fmt: skip

    def test_a_mark_of_the_web(self):
        text = "[ZoneTransfer]  ZoneId=3  ReferrerUrl=https://a.example/  HostUrl=https://b.example/lab.wsb "
        path = "C:\\Users\\田中\\Downloads\\lab.wsb:Zone.Identifier"
        fact = self.sysmon(15, Image="C:\\msedge.exe", TargetFilename=path, Hash="SHA256=AA", Contents=text)
        assert (fact.kind, fact.context) == ("file.stream_created", False)
        assert own(fact) == {
            **SAID, "executable": "C:\\msedge.exe", "executable_name": "msedge.exe", "file_path": path,
            "file_name": "lab.wsb:Zone.Identifier", "hashes": "SHA256=AA", "stream_text": text, "zone_id": 3,
            "host_url": "https://b.example/lab.wsb", "referrer_url": "https://a.example/",
        }  # fmt: skip
        fact = self.sysmon(15, Image="C:\\a.exe", TargetFilename="C:\\a.txt:x", Contents="nothing")
        assert (fact.context, "host_url" in fact.fields) == (True, False)

    def test_process(self):
        fact = self.sysmon(
            1, Image=SANDBOX, CommandLine="x", User="WS-TANAKA\\田中", LogonId=0x5A2C1, ParentProcessId=1272,
            ParentImage="C:\\Windows\\explorer.exe", ParentCommandLine="explorer", CurrentDirectory="C:\\",
            Hashes="SHA256=AA", OriginalFileName="-", IntegrityLevel="High",
            ParentProcessGuid="{5F3A9C21-0001-0002-0003-000000000C00}",
        )  # fmt: skip
        assert (fact.kind, fact.context) == ("process.created", False)
        assert own(fact) == {
            **SAID, "executable": SANDBOX, "executable_name": "WindowsSandbox.exe", "command_line": "x",
            "user_name": "田中", "user_domain": "WS-TANAKA", "logon_id": "0x5a2c1", "parent_pid": "1272",
            "parent_executable": "C:\\Windows\\explorer.exe", "parent_command_line": "explorer",
            "parent_process_guid": "5F3A9C21-0001-0002-0003-000000000C00", "working_directory": "C:\\",
            "hashes": "SHA256=AA", "integrity_level": "High",
        }  # fmt: skip

    def test_its_own_time_is_kept_when_it_differs(self):
        fact = self.sysmon(5, Image=SANDBOX, UtcTime="2024-12-04 10:02:03.000")
        assert (fact.kind, fact.context) == ("process.exited", True)
        assert fact.fields["sysmon_utc_time"] == "2024-12-04T10:02:03.000000+00:00"

    def test_connection(self):
        fact = self.sysmon(
            3, Image="C:\\Users\\t\\code-tunnel.exe", Protocol="tcp", Initiated=True, SourceIp="10.0.0.2",
            SourcePort=50100, SourceHostname="", DestinationIp="20.1.2.3", DestinationPort=443,
            DestinationHostname=TUNNEL,
        )  # fmt: skip
        assert (fact.kind, fact.context) == ("network.connected", False)
        assert own(fact) == {
            **SAID, "executable": "C:\\Users\\t\\code-tunnel.exe", "executable_name": "code-tunnel.exe",
            "protocol": "tcp", "initiated": True, "source_ip": "10.0.0.2", "source_port": "50100",
            "destination_ip": "20.1.2.3", "destination_port": "443",
            "destination_host": TUNNEL, "host_meaning": "dev tunnels, service",
        }  # fmt: skip

    @pytest.mark.parametrize(("path", "context"), [("C:\\x\\default.wsb", False), ("C:\\x\\a.txt", True)])
    def test_file(self, path, context):
        fact = self.sysmon(11, Image="C:\\Windows\\explorer.exe", TargetFilename=path)
        assert (fact.kind, fact.context) == ("file.created", context)
        assert (fact.fields["file_path"], fact.fields["file_name"]) == (path, path.rpartition("\\")[2])

    RUN = "HKU\\S-1-5-21-1-2-3-1001\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run"

    def test_registry(self):
        value = f"{self.RUN}\\Up"
        fact = self.sysmon(13, Image="C:\\r.exe", EventType="SetValue", TargetObject=value, Details="C:\\m.exe")
        assert (fact.kind, fact.context) == ("registry.value_set", False)
        assert own(fact) == {
            **SAID, "executable": "C:\\r.exe", "executable_name": "r.exe", "key_path": self.RUN,
            "value_name": "Up", "value_data": "C:\\m.exe",
        }  # fmt: skip
        assert self.sysmon(13, Image="C:\\r.exe", TargetObject="HKLM\\SOFTWARE\\A\\B", Details="1").context
        fact = self.sysmon(12, Image="C:\\r.exe", EventType="DeleteValue", TargetObject=f"{self.RUN}\\Up")
        assert (fact.kind, fact.context, fact.fields["action"]) == ("registry.key_changed", False, "DeleteValue")

    @pytest.mark.parametrize(("number", "kind"), [(17, "pipe.created"), (18, "pipe.opened")])
    @pytest.mark.parametrize(
        ("name", "image", "said", "context"),
        [
            (f"\\wsandbox\\{pipe_guid('S-1-5-18').lower()}", SANDBOX, {
                "pipe_role": "sandbox service", "pipe_guid": pipe_guid("S-1-5-18"), "target_user_sid": "S-1-5-18",
            }, False),
            (f"\\wsandbox\\{PORT}", "C:\\x.exe", {"pipe_role": "sandbox service", "pipe_guid": PORT}, False),
            (f"\\{VM.lower()}", "C:\\Windows\\System32\\vmwp.exe", {
                "pipe_role": "virtual machine", "pipe_guid": VM, "vm_id": VM,
            }, False),
            (f"\\{VM}", "C:\\other.exe", {"pipe_guid": VM}, True),
            (f"\\code-{PORT.lower()}", "C:\\a\\node.exe", {"pipe_role": "code server", "pipe_guid": PORT}, False),
            ("\\lsass", "C:\\other.exe", {}, True),
        ],
    )  # fmt: skip
    def test_pipes(self, number, kind, name, image, said, context):
        fact = self.sysmon(number, PipeName=name, Image=image, EventType="x", User="WS-TANAKA\\田中")
        assert (fact.kind, fact.context) == (kind, context)
        assert own(fact) == {
            **SAID, **said, "pipe_name": name, "executable": image, "executable_name": image.rpartition("\\")[2],
            "user_name": "田中", "user_domain": "WS-TANAKA",
        }  # fmt: skip

    def test_dns(self):
        query = {"QueryName": "abc.devtunnels.ms", "QueryStatus": "0", "QueryResults": "1.2.3.4;"}
        fact = self.sysmon(22, Image="C:\\a.exe", **query)
        assert (fact.kind, fact.context) == ("dns.queried", False)
        assert own(fact) == {
            **SAID, "executable": "C:\\a.exe", "executable_name": "a.exe", "query_name": "abc.devtunnels.ms",
            "query_status": "0", "query_results": "1.2.3.4;", "host_meaning": "dev tunnels, forwarded port",
        }  # fmt: skip


class TestPowerShell:
    DETAIL = (
        "\tNewEngineState=Available\r\n\tPreviousEngineState=None\r\n\r\n\tSequenceNumber=13\r\n\r\n\tHostName=ConsoleHost"
        "\r\n\tHostVersion=5.1.19041.1\r\n\tHostId=1\r\n\tHostApplication={}\r\n\tEngineVersion=5.1.19041.1\r\n"
        "\tRunspaceId=2\r\n\tPipelineId=\r\n\tCommandName=\r\n\tCommandType=\r\n\tScriptName=\r\n\tCommandPath=\r\n"
        "\tCommandLine="
    )

    @pytest.mark.parametrize(
        ("application", "context"),
        [("powershell.exe -c wsb start --id=x\r\n-Name=y", False), ("powershell.exe", True)],
    )
    def test_started(self, application, context):
        fact = one("Windows PowerShell", 400, data={
            "a": "Available", "b": "None", "c": self.DETAIL.format(application)
        })  # fmt: skip
        assert (fact.kind, fact.context) == ("powershell.started", context)
        assert own(fact) == {
            "host_application": application, "engine_version": "5.1.19041.1", "powershell_host_id": "1",
        }  # fmt: skip

    def test_script(self):
        fact = one("Microsoft-Windows-PowerShell/Operational", 4104, pid=5500, user_sid="S-1-5-18", data={
            "MessageNumber": 2, "MessageTotal": 3, "ScriptBlockText": "wsb exec -r System", "Path": "C:\\a.ps1",
            "ScriptBlockId": "37f6d110-cfdf-4118-8748-17638e258531",
        })  # fmt: skip
        assert (fact.kind, fact.context) == ("powershell.script_block", False)
        assert own(fact) == {
            "script_text": "wsb exec -r System", "script_block_id": "37f6d110-cfdf-4118-8748-17638e258531",
            "script_part": "2/3", "script_path": "C:\\a.ps1", "user_sid": "S-1-5-18", "pid": "5500",
        }  # fmt: skip

    def test_a_script_of_the_newer_powershell(self):
        fact = one("PowerShellCore/Operational", 4104, data={"ScriptBlockText": "wsb start --config $c"})
        assert (fact.kind, fact.context) == ("powershell.script_block", False)

    ENGLISH = (
        "Severity;Host Name;Host Version;Host ID;Host Application;Engine Version;Runspace ID;Pipeline ID;"
        "Command Name;Command Type;Script Name;Command Path;Sequence Number;User;Connected User;Shell ID"
    )
    JAPANESE = (
        "重大度;ホスト名;ホスト バージョン;ホスト ID;ホスト アプリケーション;エンジンのバージョン;実行空間 ID;"
        "パイプライン ID;コマンド名;コマンドの種類;スクリプト名;コマンド パス;"
        "シーケンス番号;ユーザー;接続されたユーザー;シェル ID"
    )

    @pytest.mark.parametrize("channel", ["Microsoft-Windows-PowerShell/Operational", "PowerShellCore/Operational"])
    @pytest.mark.parametrize("labels", [ENGLISH, JAPANESE])
    def test_a_command_in_any_language(self, channel, labels):
        values = (
            "Informational", "ConsoleHost", "5.1.14393", "a83d8c35-b3eb-47fe-afd0-bea809afba4a", "powershell.exe -x",
            "5.1.14393", "f4b2cc94", "61", "New-Item", "Cmdlet", "C:\\a.ps1", "", "34", "WS-TANAKA\\田中", "", "Shell",
        )  # fmt: skip
        named = zip(labels.split(";"), values, strict=True)
        lines = "".join(f"        {label} = {value}\r\n" for label, value in named)
        payload = 'ParameterBinding(New-Item): name="Name"; value="default.wsb"\r\n'
        fact = one(channel, 4103, pid=7, user_sid="S-1-5-18", data={"ContextInfo": lines, "Payload": payload})
        assert (fact.kind, fact.context) == ("powershell.command", False)
        assert own(fact) == {
            "host_application": "powershell.exe -x", "engine_version": "5.1.14393", "cmdlet": "New-Item",
            "script_path": "C:\\a.ps1", "user_domain": "WS-TANAKA", "user_name": "田中", "user_sid": "S-1-5-18",
            "pid": "7", "command_details": payload.strip(),
        }  # fmt: skip

    def test_a_command_whose_lines_are_not_all_there(self):
        fact = one("Microsoft-Windows-PowerShell/Operational", 4103, data={
            "ContextInfo": "        Severity = Informational\r\n", "Payload": "CommandInvocation(Get-Date)"
        })  # fmt: skip
        assert (fact.context, fact.fields["command_details"]) == (True, "CommandInvocation(Get-Date)")
        assert "cmdlet" not in fact.fields

    def test_a_pipeline(self):
        detail = (
            "\tDetailSequence=1\r\n\tDetailTotal=1\r\n\r\n\tUserId=WS-TANAKA\\田中\r\n"
            "\tHostApplication=powershell.exe\r\n\tEngineVersion=5.1\r\n\tScriptName=\r\n\tCommandLine=wsb start\r\n"
            "\tUserId=another"
        )
        fact = one("Windows PowerShell", 800, data={"a": "wsb start", "b": detail, "c": "CommandInvocation(wsb.exe)"})
        assert (fact.kind, fact.context) == ("powershell.command", False)
        assert own(fact) == {
            "script_text": "wsb start", "command_details": "CommandInvocation(wsb.exe)", "engine_version": "5.1",
            "host_application": "powershell.exe", "user_domain": "WS-TANAKA", "user_name": "田中",
        }  # fmt: skip


def test_dns_client():
    fact = one("Microsoft-Windows-DNS-Client/Operational", 3008, pid=77, data={
        "QueryName": "global.rel.tunnels.api.visualstudio.com", "QueryType": 1, "QueryStatus": 0,
        "QueryResults": "20.1.2.3;",
    })  # fmt: skip
    assert (fact.kind, fact.context) == ("dns.queried", False)
    assert own(fact) == {
        "query_name": "global.rel.tunnels.api.visualstudio.com", "query_type": "1", "query_status": "0",
        "query_results": "20.1.2.3;", "pid": "77", "host_meaning": "dev tunnels, management, first contact",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (7, "feature.change_started"),
        (9, "feature.enabled"),
        (11, "feature.failed"),
        (13, "feature.reboot_required"),
        (8, "feature.disable_started"),
        (10, "feature.disabled"),
        (12, "feature.disable_failed"),
        (14, "feature.disable_reboot_required"),
        (15, "feature.disabled"),
        (16, "feature.disable_failed"),
    ],
)
@pytest.mark.parametrize(("name", "context"), [("Containers-DisposableClientVM", False), ("TelnetClient", True)])
def test_servicing(number, kind, name, context):
    fact = one("Setup", number, user_sid="S-1-5-18", data={
        "UpdateName": name, "PackageIdentifier": "Package~1", "Client": "DISM Package Manager Provider",
        "ErrorCode": "0x800f0922" if number in (11, 12, 16) else "0x0",
    })  # fmt: skip
    assert (fact.kind, fact.context) == (kind, context)
    assert own(fact) == {
        "update_name": name, "package_name": "Package~1", "client_id": "DISM Package Manager Provider",
        "user_sid": "S-1-5-18", **({"error_code": "0x800f0922"} if number in (11, 12, 16) else {}),
        **({"payload_removed": True} if number in (15, 16) else {}),
    }  # fmt: skip
