"""Any causal language model of DNA that transformers knows, by its own tokenizer: log-likelihoods of sequences.

A tokenizer's own segmentation is scored, over the whole vocabulary. Other segmentations of the same bases have
probability too, so that the bits per base of a BPE or of k-mers are an upper bound of the model's.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.causal_lm.spans import Tokens, byte_tokens, spread, tokenize
from evaluation.likelihood.likelihood import Likelihood, Logs
from evaluation.likelihood.windows import Window, plan_windows
from foundation.errors import InputError
from foundation.progress import Advance, no_progress
from foundation.untrusted import read_json
from tokenizer.sequence import Ids, to_upper

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_BATCH_TOKENS = 4096
_LOOK_AHEAD = 64  # sequences that are sorted by length together


@dataclass(frozen=True, kw_only=True)
class CausalLM:
    """`model` and its `tokenizer`; without one, an id is the byte of its letter. `context`: tokens of a window."""

    directory: Path
    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase | None"
    context: int

    @property
    def parameters(self) -> int:
        """Of the model."""
        return int(self.model.num_parameters())

    def tokens(self, sequence: Ids) -> Tokens:
        """The tokens of upper-case bases. Errors: `InputError` for ids that the model does not have."""
        found = byte_tokens(sequence) if self.tokenizer is None else tokenize(self.tokenizer, sequence, self.directory)
        vocabulary = int(self.model.get_input_embeddings().weight.shape[0])
        if len(found.ids) and int(found.ids.max()) >= vocabulary:
            problem = f"has {vocabulary:,} tokens, and its tokenizer gives the id {int(found.ids.max()):,}"
            fix = "Give the tokenizer that the model was trained with."
            raise InputError(problem, where=self.directory, fix=fix, kind="tokenizer-beyond-vocabulary")
        return found

    def log_likelihoods(self, sequences: Iterable[Ids], advance: Advance = no_progress) -> Iterator[Likelihood]:
        """ln P of each base of each sequence, in order: NaN where there is none, as for the first token without BOS.

        A sequence of more tokens than the context is read in windows that overlap by half.
        `advance` is called with the number of bases done.
        """
        waiting: list[tuple[Ids, Tokens]] = []
        for sequence in sequences:
            upper = to_upper(sequence)
            waiting.append((upper, self.tokens(upper)))
            if len(waiting) == _LOOK_AHEAD:
                yield from self._scored(waiting, advance)
                waiting = []
        yield from self._scored(waiting, advance)

    def _scored(self, waiting: Sequence[tuple[Ids, Tokens]], advance: Advance) -> Iterator[Likelihood]:
        windows = [
            (number, window)
            for number, (_, tokens) in enumerate(waiting)
            for window in plan_windows(len(tokens.ids), context_length=self.context, stride=max(1, self.context // 2))
        ]
        logs = [np.full(len(tokens.ids), np.nan, dtype=np.float32) for _, tokens in waiting]
        inputs = [0] * len(waiting)
        for batch in _batches(windows):
            rows = [waiting[number][1].ids[window.start : window.end + 1] for number, window in batch]
            for (number, window), found in zip(batch, self._forward(rows), strict=True):
                logs[number][window.first_target : window.end + 1] = found[window.first_target - window.start - 1 :]
                inputs[number] += window.length
                sequence, tokens = waiting[number]
                targets = window.end + 1 - window.first_target
                advance(len(sequence) * targets / (len(tokens.ids) - 1))  # the first is not a target
        for (sequence, tokens), found, read in zip(waiting, logs, inputs, strict=True):
            yield Likelihood(logs=spread(found[tokens.prefix :], tokens, sequence), inputs=read)

    def _forward(self, rows: Sequence[Any]) -> list[Logs]:
        """ln P of each token but the first, given those before it; padding is on the right, where no token sees it."""
        import torch

        longest = max(map(len, rows))
        ids = torch.zeros((len(rows), longest), dtype=torch.long)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = torch.from_numpy(row)
            mask[number, : len(row)] = 1
        ids, mask = ids.to(self.model.device), mask.to(self.model.device)
        with torch.inference_mode():
            output = self.model(input_ids=ids[:, :-1], attention_mask=mask[:, :-1], use_cache=False)
            logits = output.logits.float()
            known = torch.log_softmax(logits, dim=-1).gather(-1, ids[:, 1:, None])[..., 0].cpu().numpy()
        found = [one[: len(row) - 1] for one, row in zip(known, rows, strict=True)]
        if not all(np.isfinite(one).all() for one in found):
            fix = "Use float32, or check the weights."
            raise InputError("a log-probability is not a number", where=self.directory, fix=fix, kind="not-a-number")
        return found


def _batches(windows: Sequence[tuple[int, Window]]) -> Iterator[list[tuple[int, Window]]]:
    """Batches, longest sequences first, of at most `_BATCH_TOKENS`."""
    rest = sorted(windows, key=lambda one: -one[1].length)
    while rest:
        size = max(1, _BATCH_TOKENS // max(1, rest[0][1].length))
        yield rest[:size]
        rest = rest[size:]


def positions_of(model: "PreTrainedModel | CausalLM") -> int:
    """The longest sequence that a model reads, in bases; of another tokenizer in tokens, each of a base or more."""
    return model.context if isinstance(model, CausalLM) else int(model.config.max_position_embeddings)


def is_other(directory: Path) -> bool:
    """Whether the model in `directory` is not a Llama of our 256 ids, by its config.json. Errors: `InputError`."""
    path = Path(directory) / "config.json"
    if not path.is_file():
        return False
    config = read_json(path)
    ours = isinstance(config, dict) and config.get("model_type") == "llama" and config.get("vocab_size") == 256
    return not ours


def load_causal_lm(directory: Path, dtype: str = "float32", *, device: str | None = None) -> CausalLM:
    """Load model and tokenizer with transformers: local files, safetensors, and no code of the model's own.

    Errors: `InputError` for what transformers cannot load so, and for a model that is not causal.
    """
    import torch
    from transformers import AutoModelForCausalLM

    check_built_in(directory)
    safe = {"trust_remote_code": False, "local_files_only": True}
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        model = AutoModelForCausalLM.from_pretrained(
            directory, use_safetensors=True, dtype=getattr(torch, dtype), **safe
        )
    except (OSError, ValueError, ImportError) as error:
        raise _not_loaded(directory, error) from error
    context = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(context, int) or context < 2:
        problem = "has no max_position_embeddings in config.json"
        raise InputError(problem, where=directory, fix="Add it, in tokens.", kind="no-context-length")
    tokenizer = _tokenizer(directory, safe)
    if tokenizer is None and int(model.config.vocab_size) < 256:
        problem = f"has no tokenizer, and {model.config.vocab_size} ids are too few for the bytes of letters"
        raise InputError(problem, where=directory, fix="Put the tokenizer's files beside it.", kind="no-tokenizer")
    return CausalLM(directory=Path(directory), model=model.to(device).eval(), tokenizer=tokenizer, context=context)


def _tokenizer(directory: Path, safe: dict[str, bool]) -> "PreTrainedTokenizerBase | None":
    """None where the directory has no file of a tokenizer. Errors: `InputError`."""
    from transformers import AutoTokenizer

    names = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "tokenizer.model")
    if not any((Path(directory) / name).is_file() for name in names):
        return None
    try:
        return AutoTokenizer.from_pretrained(directory, **safe)
    except (OSError, ValueError, ImportError, KeyError, TypeError) as error:
        raise _not_loaded(directory, error) from error


def check_built_in(directory: Path) -> None:
    """That transformers has a causal model of this type. Errors: `InputError`."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    config = read_json(Path(directory) / "config.json")
    found = config.get("model_type") if isinstance(config, dict) else None
    if isinstance(found, str) and found in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return
    own = isinstance(config, dict) and "auto_map" in config
    raise InputError(
        f"is of the type {found!r}, " + ("which needs code of its own" if own else "which is not a causal model here"),
        where=directory,
        fix="Give a causal language model that transformers has built in: no code of a model's own is run.",
        kind="model-needs-code" if own else "not-a-causal-lm",
    )


def parameters_of(directory: Path) -> int:
    """Of the weights in `directory`, by the headers of their files."""
    from safetensors import safe_open

    total = 0
    for path in sorted(directory.glob("*.safetensors")):
        with safe_open(path, framework="numpy") as file:
            total += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    return total


def _not_loaded(directory: Path, error: Exception) -> InputError:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return InputError(
        f"cannot be loaded by transformers ({first})",
        where=directory,
        fix="Give a directory with config.json, safetensors weights, and the tokenizer's files.",
        kind="causal-lm-not-loaded",
    )
