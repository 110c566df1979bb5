"""Python starts with this when its folder is on the path: sockets to other machines are refused, and written down."""

import os
import socket
import sys
from typing import Any

_LOG = os.environ["ATTEMPTS"]


def _is_near(address: Any) -> bool:
    host = address[0] if isinstance(address, tuple) else address
    host = host.decode() if isinstance(host, bytes) else host
    return host in (None, "", "localhost", "::1", "0.0.0.0", socket.gethostname()) or str(host).startswith("127.")


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        own, target = arguments
        near = own.family == socket.AF_UNIX or target is None or _is_near(target)
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        target = arguments[0]
        near = _is_near(target)
    else:
        return
    if not near:
        with open(_LOG, "a") as file:
            file.write(f"{event} {target!r} of {sys.argv}\n")
        raise PermissionError(f"no network: {event} {target!r}")


sys.addaudithook(_watch)
