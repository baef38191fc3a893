"""Connections to a PostgreSQL whose server hangs are cut: the driver itself would wait for ever.

The kernel of a machine goes on acknowledging what a stopped process does not read, so that no
timeout of the network tells it from a server that works for long.
"""

import os
import socket
import threading
from contextlib import suppress
from typing import Any

import sqlalchemy as sa


def cut_hanging(engine: sa.Engine, after_s: float) -> None:
    """Cut every connection of an engine that is not given back in time, and try it before use.

    Whoever waits for it gets the driver's error of a connection that is lost. The engine's own
    `pool_pre_ping` has to be off, for nothing watches that.
    """

    @sa.event.listens_for(engine, "checkout")
    def begin(connection: Any, record: Any, _proxy: object) -> None:
        cut = record.info["cut"] = Cut(connection.fileno(), after_s)
        try:
            connection.execute("SELECT 1")
            connection.rollback()
        except engine.dialect.loaded_dbapi.Error as error:
            cut.call_off()
            raise sa.exc.DisconnectionError(str(error)) from error  # another one is tried

    @sa.event.listens_for(engine, "checkin")
    def end(_connection: object, record: Any) -> None:
        cut = record.info.pop("cut", None)
        if cut is not None:
            cut.call_off()


class Cut:
    """Both ends of a connection see it closed after a while, unless that is called off.

    Attributes:
        is_done: whether it was cut.
    """

    def __init__(self, descriptor: int, after_s: float) -> None:
        self.is_done = False
        self._own = os.dup(descriptor)  # it stays this socket, whatever becomes of the other
        self._timer = threading.Timer(after_s, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def call_off(self) -> None:
        """Nothing is cut from now on."""
        self._timer.cancel()
        self._timer.join()
        os.close(self._own)

    def _cut(self) -> None:
        self.is_done = True
        with suppress(OSError), socket.socket(fileno=os.dup(self._own)) as connection:
            connection.shutdown(socket.SHUT_RDWR)  # unless the other end has
