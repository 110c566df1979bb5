"""New sequence as a table."""

from typing import TYPE_CHECKING

from evaluation.generation.generation import Sampling
from evaluation.generation.generation import generate as generate_bases
from foundation.progress import called_from_python
from genomic_llama.api.sequences import read_sequences

if TYPE_CHECKING:
    from pandas import DataFrame
    from transformers import PreTrainedModel

    from genomic_llama.api.sequences import Sequences


def generate(
    model: "PreTrainedModel",
    prompts: "Sequences",
    *,
    length: int = 500,
    samples: int = 1,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    alphabet: str = "ACGT",
    seed: int = 0,
    progress: bool = False,
) -> "DataFrame":
    """Continue prompts base by base.

    - `prompts`: text, files, records or tables, see [Sequences](#sequences).
    - `length`: new bases at most; `samples`: sequences of each prompt.
    - `temperature`: below 1 favours likelier bases, 0 takes the likeliest; `top_k`: only the k likeliest, 0 for all;
      `top_p`: only the fewest that have this much probability together.
    - `alphabet`: what may be written, beside EOS, which ends a sequence.
    - `seed`: the same seed gives the same sequences.
    - `progress`: show a progress bar; in Jupyter it is a widget.

    Returns a row for each sample: `prompt` (its name), `sample` (from 0), `sequence` (the new bases), `ended` (by EOS),
    `mean_log_probability`, and `log_probabilities`: float32 [bases], ln P of each base at temperature 1.

    Raises `InputError` for a prompt that is empty, is not DNA, or has no room for `length` bases in the model's
    positions, and for sampling options out of range.
    """
    from pandas import DataFrame

    with called_from_python(progress=progress):
        sampling = Sampling(
            length=length, samples=samples, temperature=temperature, top_k=top_k, top_p=top_p,
            alphabet=alphabet.encode(), seed=seed,
        )  # fmt: skip
        found = generate_bases(model, list(read_sequences(prompts)), sampling)
        rows = [
            (one.prompt.name, one.sample, one.ids.tobytes().decode("latin-1"), one.ended,
             float(one.logs.mean(dtype="float64")) if len(one.logs) else float("nan"), one.logs)
            for one in found
        ]  # fmt: skip
        columns = ["prompt", "sample", "sequence", "ended", "mean_log_probability", "log_probabilities"]
        return DataFrame(rows, columns=columns)
