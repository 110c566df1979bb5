"""What a rank hears of the first one that dies before it has said anything."""

import multiprocessing
import os
import socket
import time
from types import SimpleNamespace
from typing import Any

import pytest

from conduct.errors import InputError


def _open_and_die(port: int, opened: Any) -> None:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    store = TCPStore("localhost", port, is_master=True, wait_for_workers=False)
    opened.send(store.port)
    time.sleep(2)  # the other rank is connected by then, and waits
    os._exit(1)


def test_a_first_rank_that_dies_is_told_in_words() -> None:
    from recipes.checkpointing.first_rank import told_to_all

    with socket.socket() as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_open_and_die, args=(port, there))
    process.start()
    assert here.poll(60)
    assert here.recv() == port
    place = SimpleNamespace(main_address="localhost", main_port=port, creates_processes_externally=True)
    trainer = SimpleNamespace(world_size=2, global_rank=1, strategy=SimpleNamespace(cluster_environment=place))
    with pytest.raises(InputError, match=r"^the first rank gave no answer\. See its log\."), told_to_all(trainer):
        pass
    process.join()
