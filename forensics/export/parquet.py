"""events.parquet: the timeline with its types, for DuckDB, pandas and Spark; a case is loaded back from it.

zstd, one row group for each 10,000 events, the same columns whatever the content (see `columns`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Self

from forensics.case import Case
from forensics.columns import BASE_COLUMNS, GROUP_ROWS, Columns, Sessions, events_of_batch, session_ids
from forensics.model import Event
from forensics.store import find
from forensics.timeline import Kinds


class Writer:
    """Writes events into a Parquet file, one row group in memory at a time; a context manager.

    `sessions` tells which sessions name an event, by the event's id.
    """

    def __init__(self, path: Path, kinds: Kinds | None = None, sessions: Sessions | None = None) -> None:
        from pyarrow.parquet import ParquetWriter

        self._columns = Columns(kinds, sessions=sessions)
        self._file = ParquetWriter(path, self._columns.schema, compression="zstd")
        self._group: list[Event] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._file.close()

    def tap(self, events: Iterable[Event]) -> Iterator[Event]:
        """The same events, each written on its way through."""
        for event in events:
            self._group.append(event)
            if len(self._group) >= GROUP_ROWS:
                self._flush()
            yield event

    def _flush(self) -> None:
        if self._group:
            self._file.write_batch(self._columns.batch(self._group))
            self._group = []


class GroupWriter:
    """Writes one row group as an Arrow file, for a `Joiner` in another process; a context manager."""

    def __init__(self, path: Path, sessions: Sessions | None = None) -> None:
        self._path = path
        self._sessions = sessions
        self._group: list[Event] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        import pyarrow as pa

        if kind is None:
            batch = Columns(sessions=self._sessions).batch(self._group)
            with pa.OSFile(str(self._path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
                writer.write_batch(batch)

    def tap(self, events: Iterable[Event]) -> Iterator[Event]:
        """The same events, each kept for the group on its way through."""
        for event in events:
            self._group.append(event)
            yield event


class Joiner:
    """Puts row groups that other processes made into one Parquet file; a context manager."""

    def __init__(self, path: Path) -> None:
        from pyarrow.parquet import ParquetWriter

        self._file = ParquetWriter(path, Columns().schema, compression="zstd")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, path: Path) -> None:
        """Add the row group of an Arrow file."""
        import pyarrow as pa

        with pa.OSFile(str(path), "rb") as source:
            reader = pa.ipc.open_file(source)
            for index in range(reader.num_record_batches):
                self._file.write_batch(reader.get_batch(index))


def write(case: Case, path: Path, kinds: Kinds | None = None) -> None:
    """Write every event (no session rows)."""
    with Writer(path, kinds, session_ids(case.verdicts)) as writer:
        for _ in writer.tap(case.events):
            pass


PLACE = ("event_uid", "source_path", "source_locator", "source_sha256")


def places(path: Path, ids: Collection[str]) -> Iterator[dict[str, str | None]]:
    """Where the events with these ids come from: few columns are read, so a large timeline costs little.

    Raises OSError or ValueError when the file is missing or damaged.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow.parquet import ParquetFile

    sought = pa.array(sorted(ids), pa.string())
    with ParquetFile(path) as file:
        for batch in file.iter_batches(columns=list(PLACE)):
            yield from batch.filter(pc.is_in(batch.column("event_uid"), value_set=sought)).to_pylist()


class ParquetEvents:
    """The events of a Parquet file: sized, sorted as written, read in batches whenever they are walked."""

    def __init__(self, path: Path) -> None:
        from pyarrow.parquet import ParquetFile

        self.path = path
        with ParquetFile(path) as file:
            missing = set(BASE_COLUMNS) - set(file.schema_arrow.names)
            if missing:
                raise ValueError(f"columns missing: {sorted(missing)}")
            self._count = int(file.metadata.num_rows)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Event]:
        from pyarrow.parquet import ParquetFile

        with ParquetFile(self.path) as file:
            for batch in file.iter_batches(batch_size=5_000):
                yield from events_of_batch(batch)

    def find(self, ids: Collection[str]) -> dict[str, Event]:
        """The events with these ids, by one walk."""
        return find(self, ids)


def read(path: Path) -> ParquetEvents:
    """The events of a file that `write` made.

    Raises:
        ValueError: no Parquet file, or one of something else.
    """
    return ParquetEvents(path)
