"""What a rank hears of the first one that dies before it has said anything."""

import subprocess
import sys
from types import SimpleNamespace

from refusal import refused

FIRST_RANK = """
import os, time
from torch.distributed import TCPStore
store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
print(store.port, flush=True)
time.sleep(2)  # the other rank is connected by then, and waits
os._exit(1)
"""


def test_a_first_rank_that_dies_is_told_in_words() -> None:
    from training.checkpointing.first_rank import broadcast_failure

    with subprocess.Popen([sys.executable, "-c", FIRST_RANK], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        place = SimpleNamespace(main_address="localhost", main_port=port, creates_processes_externally=True)
        trainer = SimpleNamespace(world_size=2, global_rank=1, strategy=SimpleNamespace(cluster_environment=place))
        with refused("first-rank-silent"), broadcast_failure(trainer):
            pass
