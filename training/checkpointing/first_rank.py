"""Work of the first rank before the ranks are connected. All ranks get its result, or its error, at once.

Without this a rank that is refused leaves the others waiting for it, until a timeout of half an hour.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]
from torch.distributed.distributed_c10d import default_pg_timeout

from foundation.errors import InputError

_OUTCOME, _ACKNOWLEDGED = "genomic_llama/first_rank", "genomic_llama/heard"
_OUTCOME_TIMEOUT = timedelta(hours=2)
"""That the others wait for the verdict: the first rank may convert a large checkpoint."""
_ACKNOWLEDGE_SECONDS = 300.0
"""That a first rank that was refused waits for the others to hear of it, since they hear it from its process."""


@contextmanager
def broadcast_failure(trainer: Any) -> Iterator[None]:
    """The first rank runs this context before the others enter it; its error is raised on all.

    Errors: that of the first rank, on every other as an `InputError`; there also where the first rank gives no answer.
    """
    store = _rendezvous_store(trainer)
    if store is None:
        yield
    elif trainer.global_rank == 0:
        try:
            yield
        except Exception as error:
            store.set(_OUTCOME, json.dumps(_error_fields(error)))
            if trainer.strategy.cluster_environment.creates_processes_externally:
                _await_acknowledgements(store, trainer.world_size - 1)
            raise
        store.set(_OUTCOME, json.dumps(None))
    else:
        refusal = _await_outcome(store)
        if refusal is not None:
            store.add(_ACKNOWLEDGED, 1)
            problem, where, fix, kind = refusal
            raise InputError(problem, where=where, fix=fix, kind=kind)
        yield


def _rendezvous_store(trainer: Any) -> TCPStore | None:
    """The store where the ranks of `trainer` meet, opened early and handed on to NeMo; None for a single rank.

    torchrun has one already, and the first rank opens it elsewhere, where its process group would later.
    """
    if trainer.world_size == 1:
        return None
    place = trainer.strategy.cluster_environment
    store = TCPStore(
        place.main_address,
        place.main_port,
        is_master=trainer.global_rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True",
        wait_for_workers=False,  # where Lightning starts the others, it does so after this
        multi_tenant=True,
        timeout=default_pg_timeout,
    )
    trainer.strategy.store = store
    return store


def _await_outcome(store: TCPStore) -> Any:
    """What the first rank said: None where all is well. Errors: `InputError` where it died, or is silent too long."""
    try:
        store.wait([_OUTCOME], _OUTCOME_TIMEOUT)
        return json.loads(store.get(_OUTCOME))
    except DistError as error:
        raise InputError("the first rank gave no answer", fix="See its log.", kind="first-rank-silent") from error


def _error_fields(error: Exception) -> tuple[str, str | None, str, str]:
    if isinstance(error, InputError):
        return error.problem, None if error.where is None else str(error.where), error.fix, error.kind
    return f"the first rank failed: {error or type(error).__name__}", None, "Its log says more.", "first-rank-ended"


def _await_acknowledgements(store: TCPStore, others: int) -> None:
    deadline = time.monotonic() + _ACKNOWLEDGE_SECONDS
    while store.add(_ACKNOWLEDGED, 0) < others and time.monotonic() < deadline:
        time.sleep(0.1)
