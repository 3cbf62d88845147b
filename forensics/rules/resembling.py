"""Names that differ from another by one sign, as a look-alike of a known program does (svch0st.exe, sihostt.exe)."""

from __future__ import annotations

_LONGEST = 260


def one_sign_apart(one: str, two: str) -> bool:
    """Whether one sign was put in, left out or changed, or two neighbours were swapped: exactly one of these."""
    if one == two or abs(len(one) - len(two)) > 1 or len(one) > _LONGEST:
        return False
    short, long = sorted((one, two), key=len)
    at = next((index for index, sign in enumerate(short) if sign != long[index]), len(short))
    if len(short) < len(long):
        return short[at:] == long[at + 1 :]
    swapped = long[at + 1 : at + 2] + long[at : at + 1] + long[at + 2 :]
    return short[at + 1 :] == long[at + 1 :] or short[at:] == swapped
