"""Commands that remove traces or blind a recorder: found and kept in whatever form; harmless neighbours are not."""

from __future__ import annotations

import time

import pytest

from forensics.rules.clearing import clearing, plain
from forensics.rules.engine import Rule, rules_of
from forensics.rules.watch import is_watched

FOUND = r"""
wevtutil cl Security
wevtutil.exe clear-log Security
"C:\Windows\System32\wevtutil.exe" cl Security
wevtutil c^l Security
w^evtutil cl Security
wevtutil "cl" Security
cmd /c for /F "tokens=*" %1 in ('wevtutil.exe el') DO wevtutil.exe cl "%1"
Clear-EventLog -LogName Security
Get-WinEvent -ListLog * | % { [System.Diagnostics.Eventing.Reader.EventLogSession]::GlobalSession.ClearLog($_.LogName) }
wmic nteventlog where filename='security' cleareventlog
(Get-WmiObject Win32_NTEventlogFile).ClearEventlog()
Get-CimInstance Win32_NTEventlogFile | Invoke-CimMethod -MethodName ClearEventlog
del /f C:\Windows\System32\winevt\Logs\Security.evtx
Remove-Item C:\Windows\System32\winevt\Logs\*.evtx
fsutil usn deletejournal /D C:
fsutil.exe usn  deletejournal /n c:
fsutil   usn deletejournal /d c:
cipher /w:C:\
cipher.exe /W:D
sdelete -p 3 x
sdelete64.exe x
vssadmin delete shadows /all
vssadmin Delete  Shadows
wmic shadowcopy delete
wmic.exe /node:x shadowcopy where "id" delete
Get-WmiObject Win32_Shadowcopy | ForEach-Object {$_.Delete();}
gwmi win32_shadowcopy | rwmi
Set-PSReadlineOption -HistorySaveStyle SaveNothing
Set-PSReadlineOption -HistorySaveStyle:SaveNothing
Remove-Item (Get-PSReadlineOption).HistorySavePath
del %APPDATA%\Microsoft\Windows\PowerShell\PSReadLine\ConsoleHost_history.txt
rm $env:APPDATA\Microsoft\Windows\PowerShell\PSReadline\ConsoleHost_history.txt
Clear-History
auditpol /clear /y
auditpol /set /category:* /success:disable /failure:disable
auditpol.exe /remove /allusers
auditpol /restore /file:x.csv
reg delete HKCU\Software\Microsoft\Windows\CurrentVersion\Explorer\RunMRU /f
Remove-ItemProperty -Path HKCU:\Software\Microsoft\Windows\CurrentVersion\Explorer\RunMRU -Name a
del C:\Windows\Prefetch\*.pf
rmdir /s /q C:\Windows\Prefetch
Set-MpPreference -DisableRealtimeMonitoring $true
Set-MpPreference -DisableRealtimeMonitoring:$true
Set-MpPreference -DisableRealtimeMonitoring 1
Add-MpPreference -ExclusionPath C:\
Set-MpPreference -ExclusionPath:C:\
Add-MpPreference -ExclusionProcess 'x'
MpCmdRun.exe -RemoveDefinitions -All
sc stop WinDefend
sc config WinDefend start= disabled
sc.exe \\localhost stop WinDefend
net stop WinDefend
Stop-Service WinDefend
reg add "HKLM\SOFTWARE\Policies\Microsoft\Windows Defender" /v DisableAntiSpyware /t REG_DWORD /d 1 /f
New-ItemProperty -Path "HKLM:\SOFTWARE\Policies\Microsoft\Windows Defender" -Name DisableAntiSpyware -Value 1
Set-ItemProperty 'HKLM:\SOFTWARE\Policies\Microsoft\Windows Defender' DisableAntiSpyware 1
sc stop EventLog
net stop eventlog
net  stop  EventLog
Stop-Service -Name EventLog -Force
Stop-Service -Force -Name "EventLog"
sc config EventLog start= disabled
sc config eventlog start=disabled
Set-Service -Name EventLog -StartupType Disabled
taskkill /F /FI "SERVICES eq eventlog"
sysmon64 -u force
sysmon.exe /u
fltmc unload SysmonDrv
fltMC.exe unload sysmon
wevtutil sl Security /e:false
wevtutil set-log Security /enabled:false
wevtutil sl Security /ms:1024
wevtutil.exe sl "Microsoft-Windows-Sysmon/Operational" /e:false
Limit-EventLog -LogName Security -MaximumSize 64KB
reg add HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Security /v MaxSize /d 1
reg add "HKLM\SYSTEM\CurrentControlSet\Control\MiniNt"
reg add "HKLM\SYSTEM\x\PrefetchParameters" /v EnablePrefetcher /t REG_DWORD /d 0 /f
(Get-Item a).LastWriteTime = "1/1/2019"
(ls a.exe).CreationTime=$x
Set-ItemProperty -Path a -Name LastWriteTime -Value "1/1/2019"
[IO.File]::SetLastWriteTime("a","1")
touch -d 2019 a
logman stop EventLog-Security -ets
cmd /c"w^e^v^t^util cl Security"
powershell -c & ('wev'+'tutil') cl Security
Set-PSReadlineOption -HistorySaveStyle 2
vssadmin resize shadowstorage /for=c: /on=c: /maxsize=401MB
bcdedit /set {default} safeboot network
wevtutil sl System /rt:true
Set-Service -Name EventLog -StartupType:Disabled
reg add HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Security /v MaxSize /t REG_DWORD /d 0x10000 /f
"C:\Tools\Sysinternals Suite\sdelete64.exe" -s C:\x
cmd.exe /c start sdelete -z c:
sc \\pc2 config eventlog start= disabled
reg add "HKLM\SOFTWARE\Policies\Microsoft\Windows Defender\Exclusions\Paths" /v C:\x /d 0
reg add HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\WINEVT\Channels\A /v Enabled /t REG_DWORD /d 0 /f
cd C:\Windows\System32\winevt\Logs && del *.evtx
"""
HARMLESS = r"""
wevtutil epl Security a.evtx
C:\Program Files\App\Clear-EventLog.md
Get-Help Clear-EventLog
sc query eventlog
Set-MpPreference -DisableRealtimeMonitoring $false
Add-MpPreference -AttackSurfaceReductionOnlyExclusions x
cipher /w
notepad C:\docs\sdelete.txt
vssadmin list shadows
vssadmin resize shadowstorage /on=C: /for=C: /maxsize=10GB
wbadmin delete systemstatebackup -keepVersions:3
fsutil usn deletejournal
Get-ChildItem | Where CreationTime -gt x
$item.LastWriteTime -eq $x
if ($a.LastWriteTime == 1)
Remove-MpPreference -ExclusionPath C:\x
wevtutil sl Security /ms:1073741824
auditpol /set /subcategory:"Logon" /success:enable /failure:enable
auditpol /set /subcategory:"File System" /success:enable /failure:disable
net stop sysmonitor
net stop WinDefendX
sc config WinDefend start= auto
reg add "HKLM\SOFTWARE\Policies\Microsoft\Windows Defender" /v DisableAntiSpyware /t REG_DWORD /d 0 /f
reg add HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\MyApp /v EventMessageFile /d C:\x.dll
wevtutil sl Security /ms:33554432
wevtutil sl Microsoft-Windows-PowerShell/Operational /e:true /ms:52428800
wevtutil epl System D:\exports\System.evtx
del D:\exports\System.evtx
cipher /e /s:C:\secret
cipher /r:C:\backup\efs
cleanmgr.exe /sagerun:1
"C:\Windows\System32\cleanmgr.exe" /autoclean /d C:
vssadmin list shadowstorage
defrag C: /O
fsutil usn queryjournal C:
Set-MpPreference -DisableRealtimeMonitoring:$false
Limit-EventLog -LogName Application -MaximumSize 64MB
robocopy C:\tools D:\tools sdelete.exe
C:\Windows\System32\where.exe sdelete
taskkill /f /im notepad.exe
Get-Help Clear-EventLog -Full
wevtutil cl /?
Set-PSReadLineOption -HistorySaveStyle SaveAtExit
reg add HKLM\SYSTEM\CurrentControlSet\Control\WMI\Autologger\EventLog-System /v Start /t REG_DWORD /d 1 /f
reg delete HKLM\SYSTEM\CurrentControlSet\Control\MiniNt /f
bcdedit /deletevalue {current} safeboot
New-ItemProperty -Path HKLM:\SOFTWARE\PowerShell\ScriptBlockLogging -Name EnableScriptBlockLogging -Value 1
del C:\app\prefetch.log
dism /online /cleanup-image /startcomponentcleanup
net start eventlog
wmic shadowcopy list brief
Stop-Service -InputObject $eventlogger
Format-Table LastWriteTime, Name
"""
PIECES = (
    "reg add ", "sp enableprefetcher ", "del ", "sc \\\\a stop ", "win32_shadowcopy ", "sdelete", "; c:\\", "^",
    "sp \\wmi\\autologger\\defender", "set-itemproperty windows defender ", "stop-service -a ", "auditpol /set ",
)  # fmt: skip


@pytest.mark.parametrize("command", FOUND.strip().splitlines())
def test_found_and_kept(command: str) -> None:
    assert clearing(command)
    assert is_watched(command)


@pytest.mark.parametrize("command", HARMLESS.strip().splitlines())
def test_a_harmless_neighbour(command: str) -> None:
    assert [str(hit) for hit in clearing(command)] == []


@pytest.mark.parametrize("rule", rules_of("antiforensics"), ids=lambda rule: rule.id)
def test_examples_in_the_normal_form(rule: Rule) -> None:
    assert rule.id in [hit.rule for hit in clearing(rule.example["command"])]
    told = rule.counterexample["command"]
    for command in told if isinstance(told, list) else [told]:
        assert rule.id not in [hit.rule for hit in clearing(command)], command


def test_the_normal_form() -> None:
    assert plain("cmd /c\"W^evt`util   'cl' \tSecurity\"") == "cmd /c wevtutil cl security"
    assert plain("Set-X -Name:$true -Path:C:\\x") == "set-x -name $true -path c:\\x"
    assert plain("& ('wev'+'tutil')") == "& wevtutil"
    assert plain("curl.exe http://x/-y:z") == "curl.exe http://x/-y:z"


@pytest.mark.parametrize(
    "padding", [" " * 30_000, "^" * 30_000, "# a\n" * 5_000, "x" * 15_365 + " ", "x" * 16_380 + " "]
)
def test_what_stands_before_hides_nothing(padding: str) -> None:
    assert clearing(f"cmd /c {padding}wevtutil cl Security")
    assert is_watched(f"cmd /c {padding}wevtutil cl Security")


@pytest.mark.parametrize("piece", PIECES)
def test_long_lines_take_no_long(piece: str) -> None:
    began = time.monotonic()
    clearing("wevtutil " + piece * (100_000 // len(piece)))
    assert time.monotonic() - began < 5
