"""A training run to be launched, and what every kind of script says of it."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.schema import TrainConfig
from launch.submit.environment import Variable, environment
from launch.submit.sites import Site


@dataclass(frozen=True, kw_only=True)
class Job:
    """A training run to be launched."""

    recipe: str
    config_name: str
    overrides: tuple[str, ...]
    config: TrainConfig
    directory: Path  # of this repository, on the machines where the job runs

    @property
    def name(self) -> str:
        """A name that Slurm and Kubernetes accept."""
        return re.sub(r"[^a-z0-9]+", "-", self.recipe.lower()).strip("-")[:40]

    @property
    def arguments(self) -> list[str]:
        """Of `python`: the module, the configuration, the overrides."""
        return ["-m", "recipes.train", "--config-name", self.config_name, *self.overrides]

    @property
    def gpu(self) -> str:
        """What it runs on, for a heading."""
        machine = self.config.hardware
        kind = machine.gpu if machine.accelerator == "gpu" else machine.accelerator
        return f"{machine.num_nodes} x {machine.devices} {kind}"


def variables(job: Job, site: Site) -> list[Variable]:
    """The recipe's, then the site's, which win."""
    given = [variable for variable in environment(job.config) if variable[0] not in site.environment]
    return [*given, *((name, value, "this site's") for name, value in site.environment.items())]


def lines(words: list[str]) -> str:
    """A command over several lines: one option or override on each after the first."""
    start = words.index("recipes.train") + 1
    pairs = [words[:start], words[start : start + 2], *([word] for word in words[start + 2 :])]
    return " \\\n    ".join(shlex.join(part) for part in pairs)


def heading(job: Job, kind: str) -> str:
    """The first line of a script."""
    return f"# {job.recipe} on {job.gpu}; written by genomic-llama launch, for {kind}.\n"


def yaml_text(*documents: dict[str, Any]) -> str:
    """YAML of one document or of several."""
    import yaml  # type: ignore[import-untyped]

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]
        """Lines of a script as lines."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return str(yaml.dump_all(documents, Dumper=Dumper, sort_keys=False, width=120))
