"""ln P of each base of sequences, whichever model it is."""

from collections.abc import Collection, Iterator

from evaluation.causal_lm.model import CausalLM
from evaluation.likelihood.likelihood import Logs, base_log_probabilities, plan_reading
from evaluation.zero_shot.context import Context
from foundation.progress import progress_bar
from tokenizer.sequence import Ids, to_upper


def base_logs(
    context: Context, sequences: Collection[Ids], *, window: int, stride: int | None = None
) -> Iterator[Logs]:
    """[bases] of each sequence, in order, NaN where there is none; read in windows of `window` bases."""
    with progress_bar(f"Reading {context.spec.name}", total=sum(map(len, sequences)), unit="b") as advance:
        if isinstance(context.model, CausalLM):
            yield from (found.logs for found in context.model.log_likelihoods(sequences, advance))
            return
        reading = plan_reading(context.model, context_length=window, stride=stride, batch_size=context.batch_size)
        upper = ((to_upper(ids), 0) for ids in sequences)
        yield from (found.logs for found in base_log_probabilities(context.model, upper, reading, advance))
