"""The same conversation gives the same answers each time it is written, though every memory has ids of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from engrams import Memory
from engrams.ingest.samples import demo
from engrams.lifecycle import writing
from engrams.records import EventId
from tests.papers.talks import START, Standing
