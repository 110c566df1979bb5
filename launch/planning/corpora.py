"""How a run's tokens compare with the corpus that it reads, where that is at hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from configs.schema import TrainConfig
from foundation.errors import InputError
from foundation.pages.quantities import short
from foundation.spelling import option

REPEATS_THAT_HELP = 4
"""Epochs up to which repeated data is about as good as new data (Muennighoff et al. 2023), measured on text."""
REPEATS_THAT_ARE_ABSURD = 100


@dataclass(frozen=True, kw_only=True)
class CorpusAtHand:
    """The prepared corpora of a run: all of their training tokens, and the bytes of all splits."""

    tokens: int
    bytes: int


def corpus_at_hand(config: TrainConfig) -> CorpusAtHand | None:
    """Read from the manifests; None where any of them is not on this machine."""
    directories = [Path(name) for name in corpus_directories(config.dataset.corpus) if config.head.kind == "none"]
    if not directories or not all((one / "manifest.json").is_file() for one in directories):
        return None
    from corpus.manifest import read_manifest

    try:
        manifests = [read_manifest(one) for one in directories]
    except InputError:
        return None  # training and doctor say what is wrong with it
    splits = [manifest.split("train") for manifest in manifests]
    stored = sum(file.bytes for manifest in manifests for file in manifest.files())
    return CorpusAtHand(tokens=sum(split.tokens for split in splits if split), bytes=stored)


def corpus_directories(corpus: object) -> Sequence[str]:
    """The directories that `dataset.corpus` names, of one corpus or of a blend."""
    if isinstance(corpus, str):
        return [corpus]
    return [str(one["corpus"]) for one in corpus if "corpus" in one] if isinstance(corpus, list) else []


def epochs_warning(tokens: int, corpus: CorpusAtHand | None) -> str:
    """What the number of epochs means; "" where it is unknown or small."""
    if corpus is None or corpus.tokens == 0 or tokens <= REPEATS_THAT_HELP * corpus.tokens:
        return ""
    epochs = tokens / corpus.tokens
    message = f"{short(tokens)} tokens are {epochs:,.0f} epochs of a corpus of {short(corpus.tokens)} tokens"
    if epochs > REPEATS_THAT_ARE_ABSURD:
        fix = f"Give fewer {option('tokens')}, a larger corpus or a smaller model"
        return f"{message}: the model will memorise it. {fix}"
    return f"{message}: beyond {REPEATS_THAT_HELP} epochs repeated data teaches less and less"
