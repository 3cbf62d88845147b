"""mirrortrace: Windows Sandbox and code-tunnel sessions out of a Windows host's evidence.

The library entry points are `analyse` (evidence in, `Case` out) and `Case` (save, load, frame). They are
imported on first use, so that `mirrortrace --help` starts without pandas, dissect or a parser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forensics.case import Case as Case
    from forensics.pipeline import Options as Options
    from forensics.pipeline import analyse as analyse

__version__ = "0.1.0"
__all__ = ["Case", "Options", "__version__", "analyse"]

_HOMES = {"analyse": "forensics.pipeline", "Options": "forensics.pipeline", "Case": "forensics.case"}


def __getattr__(name: str) -> Any:  # noqa: ANN401  # a module attribute can be anything
    """Import the library entry points when they are first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
