"""Large files over HTTP: several at a time, resumed where they stopped, checked, and there whole or not at all."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import httpx

from foundation.checksum import sha256
from foundation.errors import InputError
from foundation.progress import Advance, progress_bar

RETRIES = 6
"""Failures in a row, without a byte gained, after which a download is given up."""
FIRST_PAUSE = 1.0
"""Seconds before the first retry; doubled with each."""
MAX_PAUSE = 300.0
REPORT = 4 << 20
"""Bytes between two movements of the progress bar, each of which costs as much as a block."""

_TEMPORARY = {408, 429, 500, 502, 503, 504}


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file to fetch. `path`: relative, where it goes; `size`: in bytes; `sha256`: in hexadecimal, where known."""

    path: str
    url: str
    size: int
    sha256: str | None

    def part(self, out: Path) -> Path:
        """Where it is gathered until it is whole."""
        return out / f"{self.path}.part"

    def fetched(self, out: Path) -> int:
        """Bytes of it that are there already, of an earlier attempt."""
        part = self.part(out)
        return min(part.stat().st_size, self.size) if part.is_file() else 0


def download(
    files: Sequence[RemoteFile], out: Path, *, connections: int = 4, headers: Mapping[str, str] | None = None
) -> Iterator[RemoteFile]:
    """Fetch `files` into `out`, `connections` at a time; yields each when it is whole and checked.

    The first failure ends the others. Partial files stay in `<name>.part`, and a later call resumes them.
    Errors: `InputError` that names the file.
    """
    if connections < 1:
        raise InputError(f"is {connections}", where="connections", fix="Give 1 or more.", kind="connection-count")
    total = sum(file.size - file.fetched(out) for file in files)
    stop = threading.Event()
    with (
        progress_bar("download", total=total, unit="B") as advance,
        httpx.Client(timeout=30, follow_redirects=True, headers=headers) as client,
        ThreadPoolExecutor(connections) as threads,
    ):
        try:
            futures = {threads.submit(_fetch, client, file, Path(out), advance, stop): file for file in files}
            for future in as_completed(futures):
                future.result()
                yield futures[future]
        finally:
            stop.set()
            threads.shutdown(cancel_futures=True)


def get_page(
    client: httpx.Client, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """The answer to a GET of a small page, tried again while the server is busy; to a HEAD, also a redirection.

    Errors: `InputError`.
    """
    failures = 0
    while True:
        try:
            response = client.request(method, url, headers=headers)
            if not (method == "HEAD" and response.is_redirect):
                _check(response)
            return response
        except httpx.ConnectError as error:
            raise InputError(
                f"cannot be reached: {error}",
                where=url,
                fix="Check the network and the address.",
                kind="server-unreachable",
            ) from None
        except (httpx.RequestError, _BusyError) as error:
            failures += 1
            _pause(error, failures, url, time.sleep)


def _fetch(client: httpx.Client, file: RemoteFile, out: Path, advance: Advance, stop: threading.Event) -> None:
    target, part, failures = out / file.path, file.part(out), 0
    if target.is_file():  # of a call whose record is lost
        if target.stat().st_size != file.size or file.sha256 not in (None, sha256(target)):
            raise InputError(
                "differs from the repository's file", where=target, fix="Move it away.", kind="another-file-there"
            )
        advance(file.size)
        return
    _make_folder(target.parent, out)
    while (have := _size(part)) != file.size or not part.exists():
        try:
            _fetch_rest(client, file, part, advance, stop)
        except (httpx.RequestError, _BusyError) as error:
            failures = 1 if _size(part) > have else failures + 1
            _pause(error, failures, file.path, stop.wait)
        if stop.is_set():
            return
    if file.sha256 is not None and (found := sha256(part)) != file.sha256:
        part.unlink()
        problem = f"has the SHA-256 {found[:12]}..., the repository says {file.sha256[:12]}...; it was removed"
        raise InputError(problem, where=part, fix="Fetch it again.", kind="download-checksum")
    part.replace(target)


def _fetch_rest(client: httpx.Client, file: RemoteFile, part: Path, advance: Advance, stop: threading.Event) -> None:
    have = _size(part)
    if have > file.size:
        part.unlink()
        have = 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with client.stream("GET", file.url, headers=headers) as response:
        _check(response)
        resumed = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if have and not (response.status_code == 206 and resumed):  # the server sends the whole
            advance(-have)
            have = 0
        have = _save(response, file, part, have, advance, stop)
    if have < file.size and not stop.is_set():
        raise _BusyError("the connection was cut")


def _save(
    response: httpx.Response, file: RemoteFile, part: Path, have: int, advance: Advance, stop: threading.Event
) -> int:
    """Write what comes after the first `have` bytes; returns how many there are now."""
    unreported = 0
    with open(part, "r+b" if have else "wb") as stream:
        stream.seek(have)
        for block in response.iter_raw():  # as they come: a cut line loses nothing
            have += len(block)
            if have > file.size:
                problem = f"is longer than the {file.size:,} bytes that the repository says"
                raise InputError(problem, where=file.path, fix="Try again later.", kind="download-too-long")
            stream.write(block)
            unreported += len(block)
            if unreported >= REPORT or have == file.size:
                advance(unreported)
                unreported = 0
            if stop.is_set():
                break
        stream.flush()
        os.fsync(stream.fileno())
    return have


class _BusyError(Exception):
    """A failure that passes. `wait`: seconds that the server asks to wait."""

    def __init__(self, what: str, wait: float = 0) -> None:
        super().__init__(what)
        self.wait = wait


def _check(response: httpx.Response) -> None:
    status, where = response.status_code, response.url.copy_with(query=None)  # a query may hold a signature
    if status in _TEMPORARY:
        after = response.headers.get("Retry-After", "")
        raise _BusyError(f"the server answers {status}", float(after) if after.isdecimal() else 0)
    if status in (401, 403):
        raise InputError(
            f"is refused ({status})", where=where, fix="A token may be needed: set HF_TOKEN.", kind="server-refuses"
        )
    if status == 404:
        raise InputError(
            "is not there (404)", where=where, fix="Check the name and the revision.", kind="not-on-server"
        )
    if status not in (200, 206):
        raise InputError(
            f"answers {status}", where=where, fix="Check the endpoint, or try again later.", kind="server-answer"
        )


def _pause(error: Exception, failures: int, where: str, sleep: Callable[[float], object]) -> None:
    if failures > RETRIES:
        problem = f"failed {failures} times in a row, last with: {error or type(error).__name__}"
        raise InputError(
            problem, where=where, fix="Try again later; what was fetched is kept.", kind="download-failed"
        ) from error
    wait = error.wait if isinstance(error, _BusyError) else 0
    sleep(min(max(wait, FIRST_PAUSE * 2 ** (failures - 1)), MAX_PAUSE))


def _make_folder(folder: Path, out: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not folder.resolve().is_relative_to(out.resolve()):
        raise InputError(f"leads out of {out}", where=folder, fix="Remove the link.", kind="link-outside")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
