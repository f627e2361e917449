"""Lines of JSON as they stand in an Arrow array, a line each; none is copied until it is asked for."""

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_NEWLINE, _OPEN, _CLOSE = b"\n{}"
_LEAST = len(b"{}\n")
_PART = 1 << 16
_TYPE = pa.large_string()
"""What pandas keeps texts in, if it keeps them in Arrow; offsets of others are smaller."""


class LineArray(Sequence[str]):
    """Texts that end with their only newline, which is left out here."""

    def __init__(self, texts: pa.Array) -> None:
        self._texts = texts

    @property
    def joined(self) -> memoryview:
        """The lines with their newlines."""
        offsets = self._offsets()
        return memoryview(self._texts.buffers()[2]).cast("B")[offsets[0] : offsets[-1]]

    @classmethod
    def of(cls, texts: pa.ChunkedArray) -> "LineArray | None":
        """Return the texts as lines; None unless each is a whole line from a brace to a brace."""
        if texts.type != _TYPE or texts.null_count or not len(texts):
            return None
        lines = cls(texts.combine_chunks() if texts.num_chunks > 1 else texts.chunk(0))
        starts = lines._offsets() - lines._offsets()[0]
        starts, ends, data = starts[:-1], starts[1:], np.frombuffer(lines.joined, np.uint8)
        is_whole = (
            (ends - starts >= _LEAST).all()
            and (data[ends - 1] == _NEWLINE).all()
            and (data[starts] == _OPEN).all()
            and (data[ends - 2] == _CLOSE).all()
        )
        return lines if is_whole and _newlines(data) == len(texts) else None

    def array(self) -> pa.Array:
        """Return the lines as an Arrow array."""
        return pc.ascii_rtrim(self._texts, "\n")

    def _offsets(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        start = self._texts.offset
        offsets = np.frombuffer(self._texts.buffers()[1], np.int64)
        return offsets[start : start + len(self._texts) + 1]

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "LineArray": ...
    def __getitem__(self, index: int | slice) -> "str | LineArray":
        if isinstance(index, slice):
            start, stop, _ = index.indices(len(self))
            if stop - start == len(self):
                return self
            return LineArray(self._texts.slice(start, max(0, stop - start)))
        line: str = self._texts[index].as_py()
        return line[:-1]

    def __iter__(self) -> Iterator[str]:
        return (text[:-1] for text in self._texts.to_pylist())


def _newlines(data: "np.ndarray[tuple[int], np.dtype[np.uint8]]") -> int:
    """Count the newlines, in parts that stay in the cache."""
    starts = range(0, len(data), _PART)
    return sum(int(np.count_nonzero(data[at : at + _PART] == _NEWLINE)) for at in starts)
