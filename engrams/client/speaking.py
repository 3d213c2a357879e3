"""Asking the server over HTTP, once for threads and once for asyncio; what is asked and read stands in `calls` and `answers`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from engrams.client import answers, calls
from engrams.errors import BadSetting, NeedsExtra, Unavailable

if TYPE_CHECKING:
    import httpx

#: Messages of a bulk load sent at once, as many as the server writes in one transaction.
BATCH = 1000
#: Bytes of a file sent or taken at once.
PIECE = 256 * 1024
#: Bytes at the end of an export among which its last line stands; it has about a hundred.
LONGEST_END = 1024
#: Seconds to wait for a connection; an answer may take as long as `timeout` says.
CONNECT_SECONDS = 10.0


class _Speaking:
    """What both clients are made of."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8765",
        *,
        key: str | None = None,
        timeout: float = 30.0,
        retries: int = 2,
        transport: Any = None,
    ) -> None:
        """A client of the server at `url`.

        Args:
            key: an API key, where the server asks for one.
            timeout: seconds to wait for an answer; rebuilds, imports and exports may take longer.
            retries: how often what may be asked again is, when no answer came or the server was busy.
            transport: a transport of httpx, such as `ASGITransport` for tests without a socket.
        """
        try:
            import httpx
        except ModuleNotFoundError as missing:
            raise NeedsExtra("engrams.client", "client") from missing

        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise BadSetting("url", url, "an address such as http://127.0.0.1:8765")
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
            raise BadSetting("timeout", timeout, "seconds above 0")
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise BadSetting("retries", retries, "a whole number, 0 or more")
        self.url = url.rstrip("/")
        self._retries = retries
        self._timeout = httpx.Timeout(float(timeout), connect=min(float(timeout), CONNECT_SECONDS))
        self._patience = httpx.Timeout(None, connect=CONNECT_SECONDS)
        self._settings: dict[str, Any] = {
            "headers": {"Authorization": f"Bearer {key}"} if key is not None else {},
            "transport": transport,
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def _parts(self, asked: calls.Request) -> dict[str, Any]:
        return {
            "method": asked.call.method,
            "url": self.url + asked.path,
            "params": list(asked.query) or None,
            "content": asked.body,
            "headers": list(asked.headers),
            "timeout": self._patience if asked.call.slow else self._timeout,
        }

    def _again(self, asked: calls.Request, tries: int, outcome: httpx.Response | Exception) -> float | None:
        import httpx

        if tries > self._retries:
            return None
        if isinstance(outcome, httpx.Response):
            after = outcome.headers.get("retry-after")
            return answers.wait(asked, tries, outcome.status_code, after, heard=True)
        unheard = isinstance(outcome, httpx.ConnectError | httpx.ConnectTimeout)
        return answers.wait(asked, tries, None, None, heard=not unheard)


class Speaking(_Speaking):
    """A client for threads; safe from several of them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        import httpx

        self._http = httpx.Client(**self._settings)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _asked(self, name: str, given: Mapping[str, Any]) -> Any:
        import httpx

        asked = calls.request(name, given)
        tries = 0
        while True:
            tries += 1
            try:
                response = self._http.request(**self._parts(asked))
            except httpx.TransportError as cause:
                pause = self._again(asked, tries, cause)
                if pause is None:
                    raise answers.unreachable(self.url, cause) from cause
            else:
                pause = self._again(asked, tries, response) if response.is_error else None
                if pause is None:
                    return answers.read(asked, response.status_code, response.content, self.url)
            time.sleep(pause)

    def _asked_in_batches(self, messages: Iterable[object], given: Mapping[str, Any]) -> int:
        progress: Callable[[int], None] | None = given.get("progress")
        written, waiting = 0, iter(messages)
        while batch := list(islice(waiting, BATCH)):
            written += self._asked("add_many", {**given, "messages": batch})
            if progress is not None:
                progress(written)
        return written

    def _sent(self, name: str, path: str | Path, given: Mapping[str, Any]) -> Any:
        import httpx

        asked = calls.request(name, given)
        try:
            response = self._http.request(**{**self._parts(asked), "content": _pieces(Path(path))})
        except httpx.TransportError as cause:
            raise answers.unreachable(self.url, cause) from cause
        return answers.read(asked, response.status_code, response.content, self.url)

    def _taken(self, path: str | Path, given: Mapping[str, Any]) -> int:
        import httpx

        asked, landing = calls.request("export", given), _Landing(Path(path))
        try:
            with self._http.stream(**self._parts(asked)) as response:
                if response.is_error:
                    raise answers.error(response.status_code, response.read(), self.url)
                for piece in response.iter_bytes(PIECE):
                    landing.take(piece)
            return landing.finish()
        except httpx.TransportError as cause:
            raise answers.unreachable(self.url, cause) from cause
        finally:
            landing.leave()


class AsyncSpeaking(_Speaking):
    """A client for asyncio."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        import httpx

        self._http = httpx.AsyncClient(**self._settings)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _asked(self, name: str, given: Mapping[str, Any]) -> Any:
        import httpx

        asked = calls.request(name, given)
        tries = 0
        while True:
            tries += 1
            try:
                response = await self._http.request(**self._parts(asked))
            except httpx.TransportError as cause:
                pause = self._again(asked, tries, cause)
                if pause is None:
                    raise answers.unreachable(self.url, cause) from cause
            else:
                pause = self._again(asked, tries, response) if response.is_error else None
                if pause is None:
                    return answers.read(asked, response.status_code, response.content, self.url)
            await asyncio.sleep(pause)

    async def _asked_in_batches(self, messages: Iterable[object], given: Mapping[str, Any]) -> int:
        progress: Callable[[int], None] | None = given.get("progress")
        written, waiting = 0, iter(messages)
        while batch := list(islice(waiting, BATCH)):
            written += await self._asked("add_many", {**given, "messages": batch})
            if progress is not None:
                progress(written)
        return written

    async def _sent(self, name: str, path: str | Path, given: Mapping[str, Any]) -> Any:
        import httpx

        asked = calls.request(name, given)
        try:
            response = await self._http.request(
                **{**self._parts(asked), "content": _pieces_awaited(Path(path))}
            )
        except httpx.TransportError as cause:
            raise answers.unreachable(self.url, cause) from cause
        return answers.read(asked, response.status_code, response.content, self.url)

    async def _taken(self, path: str | Path, given: Mapping[str, Any]) -> int:
        import httpx

        asked, landing = calls.request("export", given), _Landing(Path(path))
        try:
            async with self._http.stream(**self._parts(asked)) as response:
                if response.is_error:
                    raise answers.error(response.status_code, await response.aread(), self.url)
                async for piece in response.aiter_bytes(PIECE):
                    await asyncio.to_thread(landing.take, piece)
            return await asyncio.to_thread(landing.finish)
        except httpx.TransportError as cause:
            raise answers.unreachable(self.url, cause) from cause
        finally:
            landing.leave()


def _pieces(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
    except OSError as cause:
        raise Unavailable(f"{path} cannot be read: {cause.strerror or cause}") from cause


async def _pieces_awaited(path: Path) -> AsyncIterator[bytes]:
    pieces = _pieces(path)
    while (piece := await asyncio.to_thread(next, pieces, b"")) != b"":
        yield piece


class _Landing:
    """An export on its way into a file, which appears only when it is whole."""

    def __init__(self, path: Path) -> None:
        self._path, self._unfinished = path, path.with_name(f"{path.name}.unfinished")
        self._out: IO[bytes] | None = None
        self._end = b""

    def take(self, piece: bytes) -> None:
        """Writes the next piece."""
        try:
            if self._out is None:
                self._out = self._unfinished.open("wb")
            self._out.write(piece)
        except OSError as cause:
            raise Unavailable(f"{self._path} cannot be written: {cause.strerror or cause}") from cause
        self._end = (self._end + piece)[-LONGEST_END:]

    def finish(self) -> int:
        """Has the file appear; returns how many events its last line counts."""
        try:
            events = int(json.loads(self._end.splitlines()[-1])["events"])
            if self._out is not None:
                self._out.close()
            self._unfinished.replace(self._path)
        except OSError as cause:
            raise Unavailable(f"{self._path} cannot be written: {cause.strerror or cause}") from cause
        except (ValueError, LookupError, TypeError) as cause:
            raise Unavailable("the export was cut off on its way; ask for it again") from cause
        return events

    def leave(self) -> None:
        """Removes what is not whole."""
        if self._out is not None:
            self._out.close()
            self._unfinished.unlink(missing_ok=True)
