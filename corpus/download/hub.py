"""Lists of a dataset's files, from the HTTP API of the Hugging Face Hub or a mirror of it.

API: https://huggingface.co/docs/hub/api, `/api/datasets/{repo}/tree/{revision}/{folder}`, in pages that a Link header
joins. Only files in Git LFS are listed, since only these have a SHA-256.
"""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from corpus.download.files import RemoteFile, get_page
from foundation.errors import InputError

HUB = "https://huggingface.co"

_PART = re.compile(r"\w[\w.+-]*", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_PAGES = 10_000


class DatasetRepository:
    """The dataset `name` at `revision`, which is resolved to a commit when it is opened; use it in a `with`.

    A token in `HF_TOKEN` is sent only to the endpoint, never to a host that it redirects to.
    Errors: `InputError` for an endpoint, dataset or revision that cannot be reached.
    """

    def __init__(self, name: str, revision: str, *, endpoint: str | None = None) -> None:
        self.name = name
        self._endpoint = (endpoint or os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
        if not self._endpoint.startswith(("http://", "https://")):
            raise InputError(
                "is not the address of a server",
                where=self._endpoint,
                fix="Begin it with https://.",
                kind="not-an-address",
            )
        token = os.environ.get("HF_TOKEN")
        self.headers: Mapping[str, str] = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(timeout=30, follow_redirects=True, headers=self.headers)
        answer, _ = self._ask(f"{self._endpoint}/api/datasets/{name}/revision/{quote(revision, safe='')}")
        self.commit = str(answer.get("sha")) if isinstance(answer, dict) else ""
        if not re.fullmatch(r"[0-9a-f]{40}", self.commit):
            raise self._invalid("no commit for the revision", "server-without-commit")

    def __enter__(self) -> "DatasetRepository":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def files(self, folder: str) -> list[RemoteFile]:
        """The files below `folder`, in the order of their paths. Errors: `InputError`, for a hostile path too."""
        return sorted(self._list(folder), key=lambda file: file.path)

    def _list(self, folder: str) -> Iterator[RemoteFile]:
        url: str | None = f"{self._endpoint}/api/datasets/{self.name}/tree/{self.commit}/{folder}?recursive=true"
        for _ in range(_MAX_PAGES):
            if url is None:
                return
            rows, url = self._ask(url)
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise self._invalid("a list that is none", "server-list")
            yield from (self._file(row, folder) for row in rows if row.get("type") == "file" and row.get("lfs"))
        raise self._invalid("a list without an end", "server-list-endless")

    def _ask(self, url: str) -> tuple[Any, str | None]:
        """The JSON at `url`, and the address of the next page."""
        response = get_page(self._client, url)
        following = response.links.get("next", {}).get("url")
        if following is not None and httpx.URL(following).host != httpx.URL(self._endpoint).host:
            raise self._invalid("a next page on another server", "page-elsewhere")
        try:
            return response.json(), following
        except ValueError:
            raise self._invalid("no JSON", "not-json") from None

    def _file(self, row: dict[str, Any], folder: str) -> RemoteFile:
        path, lfs = row.get("path"), row["lfs"]
        size, sha256 = (lfs.get("size"), lfs.get("oid")) if isinstance(lfs, dict) else (None, None)
        if not isinstance(path, str) or not is_safe(path) or not path.startswith(f"{folder}/"):
            raise self._invalid(f"the file name {path!r}", "unsafe-file-name")
        if type(size) is not int or size < 0 or not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise self._invalid(f"no size or checksum for {path}", "file-without-checksum")
        url = f"{self._endpoint}/datasets/{self.name}/resolve/{self.commit}/{quote(path)}"
        return RemoteFile(path=path, url=url, size=size, sha256=sha256)

    def _invalid(self, what: str, kind: str) -> InputError:
        return InputError(
            f"answers with {what}",
            where=self._endpoint,
            fix="Check HF_ENDPOINT, or try again later.",
            kind=kind,
        )


def is_safe(path: str) -> bool:
    """Whether `path` stays below the folder that it is put into, on any system: plain names between slashes."""
    return all(_PART.fullmatch(part) and not part.endswith(".") for part in path.split("/"))
