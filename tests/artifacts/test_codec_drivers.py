from __future__ import annotations

from forensics.artifacts.codec_drivers import ARTIFACT
from tests.artifacts.autorun_inputs import SOFTWARE, VERSION, at, found, quiet, software, survives

PLACE = f"{VERSION}\\Drivers32"


def test_stock_entries_score_nothing() -> None:
    stock = {
        "midi": "wdmaud.drv", "wave": "wdmaud.drv", "msacm.imaadpcm": "imaadp32.acm", "vidc.cvid": "iccvid.dll",
        "msacm.l3acm": "C:\\Windows\\System32\\l3codeca.acm", "wavemapper": "msacm32.drv", "midimapper": "midimap.dll",
        "vidc.mrle": "msrle32.dll", "MSVideo8": "VfWWDM32.dll",
    }  # fmt: skip
    remote = at(f"{PLACE}\\Terminal Server\\RDP", {"wave": "rdpsnd.dll", "MaxBandwidth": 22201})
    quiet(ARTIFACT, software(at(PLACE, dict(stock)), remote), SOFTWARE, 10)


def test_planted_entries() -> None:
    content = software(at(PLACE, {"wave9": "C:\\Users\\Public\\w.dll", "vidc.x264": "x264vfw.dll"}))
    rows = found(ARTIFACT, content, SOFTWARE)
    assert rows["Drivers32", "wave9"].score > 40
    assert rows["Drivers32", "vidc.x264"].score == 20
    survives(ARTIFACT, content, SOFTWARE)
