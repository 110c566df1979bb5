"""Streams and events of a GPU that does everything at once."""

from typing import Any

import torch


class Event:
    """An event that has happened."""

    def __init__(self, *arguments: Any, **options: Any) -> None: ...
    def record(self, *arguments: Any) -> None: ...
    def wait(self, *arguments: Any) -> None: ...
    def synchronize(self) -> None: ...

    def query(self) -> bool:
        return True

    def elapsed_time(self, other: Any) -> float:
        return 0.0


class Stream:
    """A stream with nothing to wait for."""

    device = torch.device("cuda", 0)
    cuda_stream = stream_id = device_index = priority = 0

    def __init__(self, *arguments: Any, **options: Any) -> None: ...
    def wait_stream(self, other: Any) -> None: ...
    def wait_event(self, event: Any) -> None: ...
    def synchronize(self) -> None: ...

    def record_event(self, event: Any = None) -> Any:
        return event or Event()

    def query(self) -> bool:
        return True

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *details: object) -> None: ...
