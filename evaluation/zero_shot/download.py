"""Fetch the data of tasks: sizes first, resumed where it stopped, checked where the publisher gives a checksum.

The Hugging Face Hub says the size and the SHA-256 of a file before it sends it; other servers say the size alone. What
was fetched is written down in `fetched.json`, with the SHA-256 that it had.
"""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.zero_shot.data import TaskData
from evaluation.zero_shot.spec import SourceFile
from foundation.atomic import atomic_file
from foundation.checksum import sha256
from foundation.errors import InputError
from foundation.pages.quantities import plural, short
from foundation.untrusted import read_json

if TYPE_CHECKING:
    import httpx

    from corpus.download.files import RemoteFile

HUB = "https://huggingface.co"
RECORD = "fetched.json"
_HOPS = 6


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """What there is to fetch into `folder`; `by_hand`: files without an address that a program may use."""

    folder: Path
    files: tuple[SourceFile, ...]
    by_hand: tuple[SourceFile, ...]


def plan_fetch(tasks: Sequence[TaskData]) -> Fetch:
    """The missing files of `tasks`, each once."""
    missing = {one.path: one for task in tasks for one in task.missing}
    ready = tuple(one for one in missing.values() if one.url and not one.by_hand)
    by_hand = tuple(one for one in missing.values() if one not in ready)
    return Fetch(folder=tasks[0].folder, files=ready, by_hand=by_hand)


def fetch(plan: Fetch, *, confirm: Callable[[str], bool]) -> bool:
    """Ask the servers for sizes, show them to `confirm`, and fetch. False where it says no. Errors: `InputError`."""
    import httpx

    from corpus.download.files import download

    with httpx.Client(timeout=30, follow_redirects=False) as client:
        remote = {file.path: _ask(client, file) for file in plan.files}
    if not confirm(_summary(plan, remote)):
        return False
    token = os.environ.get("HF_TOKEN")
    for of_hub in (True, False):  # the token is for the Hub alone
        some = [one for one in remote.values() if _of_hub(one.url) == of_hub]
        headers = {"Authorization": f"Bearer {token}"} if of_hub and token else None
        for done in download(some, plan.folder, headers=headers) if some else ():
            _write_down(plan.folder, done)
    return True


def _ask(client: "httpx.Client", file: SourceFile) -> "RemoteFile":
    """Address and size of the file, and its SHA-256 if published."""
    from corpus.download.files import RemoteFile

    url = (file.url or "").replace(HUB, _endpoint(), 1)
    response = _head(client, url)
    size, etag = _size(response.headers), response.headers.get("X-Linked-Etag", "").strip('"')
    if size is None:
        raise InputError("its server does not say how large it is", where=url, fix="Fetch it by hand.", kind="no-size")
    checksum = file.sha256 or (etag if re.fullmatch("[0-9a-f]{64}", etag) else None)
    return RemoteFile(path=file.path, url=url, size=size, sha256=checksum)


def _head(client: "httpx.Client", url: str) -> "httpx.Response":
    """The answer that says the size: the Hub's own, before it sends on, or that of the server at the end."""
    from corpus.download.files import get_page

    for _ in range(_HOPS):
        token = os.environ.get("HF_TOKEN") if _of_hub(url) else None
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {token}"} if token else {})
        response = get_page(client, url, method="HEAD", headers=headers)
        if not response.is_redirect or "X-Linked-Size" in response.headers:
            return response
        url = str(response.next_request.url) if response.next_request else url
    raise InputError("leads from server to server", where=url, fix="Fetch it by hand.", kind="endless-redirection")


def _size(headers: Mapping[str, str]) -> int | None:
    text = headers.get("X-Linked-Size") or headers.get("Content-Length") or ""
    return int(text) if text.isdecimal() else None


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def _of_hub(url: str) -> bool:
    return url.startswith(f"{_endpoint()}/")


def _summary(plan: Fetch, remote: "Mapping[str, RemoteFile]") -> str:
    lines = [f"{short(one.size)}B".rjust(9) + f"  {plan.folder / path}  <-  {one.url}" for path, one in remote.items()]
    total = sum(one.size for one in remote.values())
    left = sum(one.size - one.fetched(plan.folder) for one in remote.values())
    lines.append(f"{plural(len(remote), 'file')}, {short(total)}B, of which {short(left)}B are still to be fetched")
    lines += [f"by hand: {plan.folder / one.path}  <-  {one.url or 'no address is known'}" for one in plan.by_hand]
    return "\n".join(lines)


def _write_down(folder: Path, file: "RemoteFile") -> None:
    path = folder / RECORD
    known = read_json(path) if path.is_file() else {}
    known[file.path] = {"url": file.url, "size": file.size, "sha256": file.sha256 or sha256(folder / file.path)}
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", "utf-8")
