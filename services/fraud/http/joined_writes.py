"""An answer's head and body in one packet.

uvicorn writes one after the other, and each write is a call of the kernel and a packet of its own,
at which whoever waits for the answer wakes up.
"""

import asyncio
from typing import Any

HEAD = b"HTTP/1.1 "
JOINED_BYTES = 64 * 2**10  # of a body that is copied behind its head; a longer one goes alone


class JoinedWrites:
    """A transport that holds a head back for the body that follows it at once.

    Of one that follows later, nothing is waited for: the head goes as soon as the loop has done
    what is ready now. All else is the transport's own.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._head = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write bytes after those that were written before."""
        if self._head:
            if len(data) <= JOINED_BYTES:
                data, self._head = self._head + data, b""
            else:
                self._flush()
        elif data[: len(HEAD)] == HEAD:
            self._head = bytes(data)
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Close when all is written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        head, self._head = self._head, b""
        if head and not self._transport.is_closing():
            self._transport.write(head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
