"""ln P of each base of sequences, whichever model it is."""

from collections.abc import Iterable, Iterator

from evaluation.causal_lm.model import CausalLM
from evaluation.likelihood.likelihood import Logs, base_log_probabilities, plan_reading
from evaluation.zero_shot.context import Context
from tokenizer.sequence import Ids, to_upper


def base_logs(context: Context, sequences: Iterable[Ids], *, window: int, stride: int | None = None) -> Iterator[Logs]:
    """[bases] of each sequence, in order, NaN where there is none; read in windows of `window` bases."""
    if isinstance(context.model, CausalLM):
        yield from (found.logs for found in context.model.log_likelihoods(sequences))
        return
    reading = plan_reading(context.model, context_length=window, stride=stride, batch_size=context.batch_size)
    found = base_log_probabilities(context.model, ((to_upper(ids), 0) for ids in sequences), reading)
    yield from (one.logs for one in found)
