"""Times of a file that a program set, by the two sets of times in its record of the file table.

Any program may set those of $STANDARD_INFORMATION; those of $FILE_NAME are set by Windows when the name is made or
moved. A rename after the stamping copies the former to the latter, and nothing is left to see.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from forensics.formats.mft import Times
from forensics.times import from_filetime, iso

SLACK = timedelta(seconds=2)  # a name is made in the same moment as its file
_SECOND = 10_000_000
_HARMLESS = "unpacking, installing, copying, moving and cloud sync do that too"


def timestomp_note(times: Times | None, own: Times) -> str | None:
    """What speaks for times that a program set, with the harmless reasons; None when nothing does."""
    if times is None:
        return None
    signs: list[str] = []
    born, named = from_filetime(times.born), from_filetime(own.born)
    if isinstance(born, datetime) and isinstance(named, datetime) and named - born > SLACK:
        signs.append(f"the file's birth ({iso(born)}) is before that of its name ({iso(named)})")
    if times.born and times.born % _SECOND == 0 and times.modified % _SECOND == 0 and own.born % _SECOND:
        signs.append("birth and change are whole seconds, the name's are not")
    return f"{'; '.join(signs)}: set by a program ({_HARMLESS})" if signs else None
