"""What can go wrong in a benchmark run, each with a message that says what would work."""

from __future__ import annotations


class BenchError(Exception):
    """The root: the command line prints its message and ends with exit code 2."""


class UnknownData(BenchError):
    """A data set of that name is not in the catalogue."""


class MissingData(BenchError):
    """The files of a data set are not in the data folder."""


class MalformedData(BenchError):
    """A data file is there and has not the form its loader reads."""


class NotComparable(BenchError):
    """Two result files that do not answer the same questions over the same data."""


class MalformedResult(BenchError):
    """A file that is no result file of this schema."""


class NoMarkers(BenchError):
    """A page that should hold a generated table has no place for it."""


class Drifted(BenchError):
    """A generated table is not what the committed results say."""
