"""`config.yaml` of a run: its id, every setting, and the architecture of the model."""

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from foundation.atomic import atomic_file
from foundation.errors import InputError
from foundation.untrusted import read_yaml

NAME = "config.yaml"


def recorded_config(config: Mapping[str, Any], run: str) -> dict[str, Any]:
    """`config` with the id of the run.

    A password in the address of a tracking server is left out: the record goes into reports and model cards.
    """
    logging = dict(config["logging"])
    if uri := logging["mlflow_uri"]:
        logging["mlflow_uri"] = re.sub(r"//[^/@]*@", "//", uri)
    return {"run_id": run, **config, "logging": logging}


def write_config(run_dir: Path, config: Mapping[str, Any]) -> None:
    """Write `config.yaml` atomically."""
    with atomic_file(run_dir / NAME) as path:
        path.write_text(yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True), encoding="utf-8")


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
