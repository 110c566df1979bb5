"""`config.yaml` of a run: its id, the whole resolved configuration, and the architecture of the model."""

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from configs.llama import LlamaArchitecture, hf_config
from foundation.atomic import atomic_file
from foundation.errors import InputError
from foundation.untrusted import read_yaml

NAME = "config.yaml"


def recorded_config(
    config: Mapping[str, Any], run: str, architecture: LlamaArchitecture, sequence_length: int
) -> dict[str, Any]:
    """`config` with what it leaves to the architecture: the tokens of a sample. `run`: the id of the run.

    A password in the address of a tracking server is left out: the record goes into reports and model cards.
    """
    logging = dict(config.get("logging", {}))
    if uri := logging.get("mlflow_uri"):
        logging["mlflow_uri"] = re.sub(r"//[^/@]*@", "//", uri)
    dataset = {**config.get("dataset", {}), "sequence_length": sequence_length}
    model = {**hf_config(architecture), "parameters": architecture.parameters}
    return {"run_id": run, **config, "logging": logging, "dataset": dataset, "model": model}


def write_config(run_dir: Path, config: Mapping[str, Any]) -> None:
    """Write `config.yaml`, whole or not at all."""
    from omegaconf import OmegaConf

    with atomic_file(run_dir / NAME) as path:
        path.write_text(OmegaConf.to_yaml(OmegaConf.create(dict(config))), encoding="utf-8")


def new_id() -> str:
    """An id that no other run has: 16 hexadecimal digits."""
    return secrets.token_hex(8)


def continued_id(run_dir: Path) -> str:
    """The id that a run wrote when it first began; a new one where it wrote none."""
    try:
        content = read_yaml(run_dir / NAME)
    except InputError:
        return new_id()
    known = content.get("run_id") if isinstance(content, dict) else None
    return known if isinstance(known, str) and re.fullmatch("[0-9a-f]{16}", known) else new_id()
