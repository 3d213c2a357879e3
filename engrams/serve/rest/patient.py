"""HTTP/1.1 that waits for nobody for ever: for the head of a request, or for an answer to be taken."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol


class Patient(H11Protocol):
    """uvicorn's protocol with the two deadlines it lacks; a connection that misses one is cut."""

    read_seconds: ClassVar[float] = 30.0
    write_seconds: ClassVar[float] = 60.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The head of the first request is waited for from now on."""
        super().connection_made(transport)
        self._wait_for_a_head()

    def data_received(self, data: bytes) -> None:
        """Once a head is whole, the gate looks after the body."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._wait_for_a_head()
        else:
            _stop(self._head)
            self._head = None

    def pause_writing(self) -> None:
        """The answer is not taken as fast as it is sent."""
        super().pause_writing()
        _stop(self._taking)
        self._taking = self.loop.call_later(self.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It is taken again."""
        super().resume_writing()
        _stop(self._taking)
        self._taking = None

    def timeout_keep_alive_handler(self) -> None:
        """Closes; what the other side does not take meanwhile is dropped."""
        super().timeout_keep_alive_handler()
        self._give_up_later()

    def shutdown(self) -> None:
        """Closes as soon as nothing is under way; what the other side does not take meanwhile is dropped."""
        super().shutdown()
        self._give_up_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more is waited for."""
        _stop(self._head, self._taking)
        super().connection_lost(exc)

    def _wait_for_a_head(self) -> None:
        if self._head is None and not self.transport.is_closing():
            self._head = self.loop.call_later(self.read_seconds, self.transport.abort)

    def _give_up_later(self) -> None:
        if self.transport.is_closing() and self._taking is None:
            self._taking = self.loop.call_later(self.write_seconds, self.transport.abort)


def patient(read_seconds: float, write_seconds: float) -> type[Patient]:
    """The protocol with these deadlines."""
    return type("Patient", (Patient,), {"read_seconds": read_seconds, "write_seconds": write_seconds})


def _stop(*timers: asyncio.TimerHandle | None) -> None:
    for timer in timers:
        if timer is not None:
            timer.cancel()
