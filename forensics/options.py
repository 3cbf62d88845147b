"""What the commands' options have in common: their types, their checks, and how evidence is opened."""

from __future__ import annotations

import functools
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable


class MomentType(click.ParamType):  # type: ignore[type-arg]  # generic only in newer click
    """An ISO 8601 time; without an offset it is UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Accept `2024-12-04`, `2024-12-04T10:00` and full forms."""
        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        try:
            given = datetime.fromisoformat(text)
        except ValueError:
            given = None
        if given and given.year >= 1990:
            return given.astimezone(UTC) if given.tzinfo else given.replace(tzinfo=UTC)
        return self.fail(f"{text!r} is not an ISO 8601 time such as 2024-12-04T10:00:00+09:00", param, ctx)


MOMENT = MomentType()


def finite(ctx: click.Context, param: click.Parameter, value: float) -> float:
    """Refuse `nan`, which passes every range."""
    if not math.isfinite(value):
        raise click.BadParameter("not a number", ctx, param)
    return value


def _text(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Refuse bytes that are no text in this terminal's encoding: what they mean as a password cannot be known."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise click.BadParameter("it has bytes that are no UTF-8 text", ctx, param) from None
    return value


language_option = click.option(
    "--lang", type=click.Choice(("en", "ja")), default="en", show_default=True,
    help="Language of the checklist, of reasons and headings on the terminal.",
)  # fmt: skip


def opening_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say how evidence is opened; they reach the command as one `opening`."""

    @click.option("--password", default="", callback=_text, help="Password of an encrypted collection.")
    @click.option("--key", "keys", multiple=True, metavar="KEY",
                  help="BitLocker: recovery key, passphrase, or path of a BEK file (repeatable).")  # fmt: skip
    @click.option("--os-volume", "volume", type=click.IntRange(0), metavar="N",
                  help="The volume to analyse when an image holds several Windows installations.")  # fmt: skip
    @click.option("--vss", "snapshots", is_flag=True, help="Read the image's volume shadow copies, too.")
    @click.option("--carve", is_flag=True, help="Look for lost tunnel log lines in free space and page files (slow).")
    @click.option("--host", help="The host or collection to analyse when the evidence holds several.")
    @functools.wraps(command)
    def wrapped(
        *args: object, password: str, keys: tuple[str, ...], volume: int | None, snapshots: bool, host: str | None,
        carve: bool, **kwargs: object,
    ) -> None:  # fmt: skip
        from forensics.evidence.base import Opening

        command(*args, opening=Opening(password, keys, volume, snapshots, host, carve=carve), **kwargs)

    return wrapped
