"""One row a setting: into the recipe, back from it, into the reference page; and the same words on every door."""

import contextlib
import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled import write_table

from configs.compose import compose_config
from configs.schema import TrainConfig, TrainerConfig
from configs.settings import Row, get_setting, rows, set_setting, setting
from foundation.errors import InputError
from foundation.typed import from_settings, optional
from launch.planning.plan import make_plan
from launch.preflight.examine import run_configuration
from launch.submit.launch import make_job
from training.data.sources import parse_sources

EVERYTHING_ON = (
    "finetune_lora",
    [
        "init_from=x",
        "precision=fp8_current",
        "optimizer.z_loss=1e-4",
        "parallelism.recompute_layers=3",
        "trainer.evaluate_every=50",
    ],
)
"""A configuration in whose recipe every setting has its place."""

IN_NO_PLACE = {
    "name": "of the configuration alone",
    "model_tag": "its architecture goes by the table of `configs.llama`",
    **dict.fromkeys(("rope.theta", "rope.factor"), "change the architecture: `configs.extension`"),
    "engine": "decides who builds the run: `launch.preflight.engine`",
    "parallelism.cuda_graphs": "of the second engine alone",
    "head.pooling": "a part of the head, which goes by `configs.heads`",
    "head.class_weights": "decides the weights of classes, which are in the model's configuration",
    "finetune": "decides which of NeMo's functions the recipe is of",
    "dataset.tokenizer_path": "checked to be the one vocabulary that the recipe has",
    "parallelism.gpus": "checked against the machine",
    **dict.fromkeys(
        (f"hardware.{name}" for name in ("gpu", "compute_capability", "memory_gib", "bf16_tflops", "fp8_tflops")),
        "describes the machine to the plan and the checks",
    ),
    **dict.fromkeys(
        (f"logging.{name}" for name in ("tensorboard", "wandb", "wandb_offline", "mlflow", "mlflow_uri")),
        "each is a logger of the recipe or none",
    ),
}


def test_which_settings_have_no_place_in_the_recipe() -> None:
    assert {row.key for row in rows(TrainConfig) if not row.nemo} == IN_NO_PLACE.keys()


def test_every_row_says_what_it_is() -> None:
    for row in rows(TrainConfig):
        assert row.sentence, row.key
        assert not row.sentence.endswith("."), row.key


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("train_8b_opengenome2", ["parallelism.recompute_layers=3", "optimizer.beta2=0.9"]),
        ("train_8b_opengenome2", ["precision=fp8_delayed", "parallelism.precision_aware_optimizer=false"]),
        ("train_8b_opengenome2", ["precision=mxfp8", "hardware=b200", "precision.moments=bfloat16"]),
        ("finetune_lora", ["init_from=x"]),
        ("train_tiny", ["guards.hang_seconds=0"]),
        EVERYTHING_ON,
    ],
)
def test_what_is_read_back_of_a_recipe_is_its_configuration(name: str, words: list[str]) -> None:
    from launch.preflight.read_back import read_back
    from recipes.recipe import pretrain_recipe

    config = compose_config(name, words)
    back = read_back(config, pretrain_recipe(config))
    back.dataset.sequence_length = config.dataset.sequence_length  # null: all that the model has
    assert back == config


@pytest.mark.parametrize("head", [False, True])
def test_each_setting_is_written_and_read_by_itself(head: bool, tmp_path: Path) -> None:
    """Another value in the recipe is another value in the configuration, of that setting alone."""
    from recipes.recipe import pretrain_recipe
    from training.places import at, read_settings, write_settings

    table = write_table(tmp_path / "table.csv")
    stop = ["head.stop_metric=auroc", "trainer.keep_checkpoints=-1", "trainer.checkpoint_every=10"]
    words = ["init_from=x", f"head.train={table}", "head.split_column=split", *stop]
    everything = ("classify", words) if head else EVERYTHING_ON
    config = compose_config(*everything)
    config.dataset.sequence_length = 8192
    for row in rows(TrainConfig):
        if not row.nemo or row.key.startswith("head.") is not head:
            continue
        changed = dataclasses.replace(compose_config(*everything))
        changed.dataset.sequence_length = 8192
        set_setting(changed, row.key, another(row, get_setting(config, row.key)))
        recipe = pretrain_recipe(config)
        write_settings(recipe, changed)
        assert read_settings(recipe, config) == changed, row.key
        assert len({str(at(recipe, place)) for place in row.nemo}) == 1, row.key


def another(row: Row, value: Any) -> Any:
    """Another value of the type of a setting."""
    kind, _ = optional(row.type)
    if row.codec == "dtype":
        return {"float32": "bfloat16", "bfloat16": "float32"}[value]
    if kind is bool:
        return not value
    if kind in (int, float):
        return (value or 0) + 1
    return f"{value or ''}x" if kind is str or isinstance(value, str) else ["7"]


def test_places_that_disagree_are_refused() -> None:
    from recipes.recipe import pretrain_recipe
    from training.places import read_settings

    config = compose_config("train_8b_opengenome2")
    recipe = pretrain_recipe(config)
    recipe.trainer.strategy.ddp.use_distributed_optimizer = False
    with pytest.raises(InputError) as error:
        read_settings(recipe, config)
    assert error.value.kind == "places-disagree"
    assert error.value.where == "optim.config.use_distributed_optimizer"


def test_a_setting_is_added_by_one_row() -> None:
    """Its word, its type, its place in the recipe, the way back and its line of the reference page."""
    from recipes.recipe import pretrain_recipe
    from scripts.configuration_page import configuration_page
    from training.places import read_settings

    @dataclasses.dataclass
    class Trainer(TrainerConfig):
        gradient_steps: int = setting(
            "Micro-batches", unit="batches", default=1, nemo="trainer.accumulate_grad_batches"
        )

    @dataclasses.dataclass
    class Config(TrainConfig):
        trainer: Trainer = dataclasses.field(default_factory=Trainer)

    config = compose_config("train_tiny", ["trainer.gradient_steps=3"], schema=Config)
    recipe = pretrain_recipe(config)
    assert recipe.trainer.accumulate_grad_batches == 3
    recipe.trainer.accumulate_grad_batches = 4
    assert get_setting(read_settings(recipe, config), "trainer.gradient_steps") == 4
    assert "| `trainer.gradient_steps` | whole number | 1 | batches | Micro-batches |" in configuration_page(Config)
    with pytest.raises(InputError) as error:
        compose_config("train_tiny", ["trainer.gradient_steps=many"], schema=Config)
    assert error.value.kind == "not-a-number"


def test_the_reference_page_is_that_of_the_schema() -> None:
    from scripts.configuration_page import configuration_page

    page = Path(__file__).parents[2] / "docs" / "configuration.md"
    again = "python -m scripts.configuration_page > docs/configuration.md"
    assert page.read_text(encoding="utf-8") == configuration_page(TrainConfig), again


# Words that composers of YAML and of Hydra read in different ways; the last ones are refused by every door.
AWKWARD = [
    "run_dir=runs/a#b",
    "run_dir=~/x",
    "run_dir=李明",
    "run_dir=2024-01-01",
    "run_dir=007",
    "run_dir=12:30",
    "run_dir=1e3",
    "run_dir=runs/a,b",
    "run_dir=runs/a'b",
    "run_dir='a b'",
    "dataset.corpus=2024-01-01",
    "dataset.corpus=[{corpus:a,weight:1}]",
    "dataset.corpus=[{corpus: a, weight: 0.7}, {corpus: b, weight: 0.3}]",
    "dataset.reverse_complement=true",
    "trainer.max_steps=1_000",
    "seed=10",
    "trainer.max_steps=0x10",
    "trainer.max_steps=010",
    "dataset.corpus=a,b",
    "seed=012",
    "seed=010",
    "run_dir=${oc.env:HOME}",
    "run_dir=${x}",
    "dataset.reverse_complement=yes",
    "optimizer.lr=nan",
    "+key=1",
    "~key",
    "trainer.max_step=3",
]


WORD_KINDS = {
    "not-a-number",
    "not-true-or-false",
    "not-a-list",
    "no-value",
    "unpaired-quotes",
    "unprintable",
    "reads-elsewhere",
    "unresolved-reference",
    "duplicate-key",
    "not-an-override",
    "unknown-key",
    "not-a-setting",
    "wrong-type",
}
"""How words are refused by themselves, whatever the run would be."""

NAME = "train_8b_opengenome2"
Answer = TrainConfig | tuple[str, str] | None


def answer(door: Callable[[str], TrainConfig | None], word: str) -> Answer:
    """The configuration that a door makes of a word, the kind of its refusal, or None where a rule refuses the run."""
    try:
        return door(word)
    except InputError as error:
        return ("refused", error.kind) if error.kind in WORD_KINDS else None


def train(word: str) -> TrainConfig:
    from recipes.train import train

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        train(NAME, [word], print_config=True)
    return from_settings(TrainConfig, yaml.safe_load(out.getvalue()))


def plan(word: str) -> TrainConfig:
    return make_plan(NAME, (word,)).base


def launch(word: str) -> TrainConfig:
    return make_job(NAME, [word], Path("/work")).config


def doctor(word: str) -> TrainConfig | None:
    return run_configuration(NAME, [word])


def nemo(word: str) -> TrainConfig:
    """`nemo llm pretrain --factory NAME place=text`; `run_dir` is an argument of the factory."""
    from nemo_run.cli.cli_parser import parse_cli_args

    import recipes.factories
    from training.places import read_settings

    key, _, text = word.partition("=")
    places = {row.key: row.nemo[0] for row in rows(TrainConfig) if row.nemo}
    named = {"run_dir": text} if key == "run_dir" else {}
    words = [] if named else [f"{places.get(key, key)}={text}" if "=" in word else word]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["nemo", "llm", "pretrain", "--dryrun", *words])
        recipe = recipes.factories.llama3_8b_genomic(**named)
    config = compose_config(NAME, [f"run_dir={text}"] if named else [])
    config = read_settings(parse_cli_args(recipe, words), config)
    config.dataset.corpus = json.loads(json.dumps(corpora(config.dataset.corpus)))
    config.dataset.sequence_length = None
    return config


def corpora(corpus: Any) -> Any:
    """`dataset.corpus` where NeMo-Run has left a list as text: what the data module makes of it."""
    if not isinstance(corpus, str) or corpus[:1] != "[":
        return corpus
    return [{"corpus": str(one.corpus), "weight": one.weight} for one in parse_sources(corpus)]


@pytest.mark.parametrize("word", AWKWARD)
def test_the_same_words_on_five_doors(word: str) -> None:
    doors = [train, plan, doctor, launch]
    if not word.startswith("trainer.max_step="):  # NeMo's fields have names of their own
        doors.append(nemo)
    answers = {door.__name__: answer(door, word) for door in doors}
    assert None not in answers.values(), answers
    assert all(one == answers["train"] for one in answers.values()), answers
    refused = {"0x10", "010", "012", "a,b", "${oc.env:HOME}", "${x}", "yes", "nan", "1", "3", ""}
    assert isinstance(answers["train"], tuple) == (word.partition("=")[2] in refused and word != "run_dir=runs/a,b")


KEYS = st.sampled_from([row.key for row in rows(TrainConfig)])
TEXTS = st.text(alphabet="ab 01.:,=#~${}[]'\"\\-+_é", max_size=8) | st.sampled_from(
    [word.partition("=")[2] for word in AWKWARD]
)


@settings(max_examples=150)
@given(KEYS, TEXTS)
def test_any_words_on_our_doors(key: str, text: str) -> None:
    """A door may refuse a run by its rules; none reads the words in another way."""
    answers = [answer(door, f"{key}={text}") for door in (train, plan, doctor, launch)]
    made = [one for one in answers if one is not None]
    assert all(one == made[0] for one in made), answers
    assert not any(isinstance(one, tuple) for one in made) or len(made) == len(answers), answers
