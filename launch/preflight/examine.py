"""All that the doctor looks at, in order."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from configs.compose import compose_config
from configs.schema import TrainConfig
from foundation.errors import InputError
from launch.planning.names import configuration
from launch.preflight.check import check_config
from launch.preflight.checks import Run, all_findings, machine_findings
from launch.preflight.finding import BROKEN, WARNING, Finding, ok, refused


def examine(recipe: str | None, overrides: Sequence[str]) -> Iterator[Finding]:
    """The machine, and where a recipe is given whether it can run here."""
    config = run_configuration(recipe, overrides) if recipe else None
    yield from machine_findings(config)
    if config is None:
        return
    try:
        architecture, sequence_length = check_config(config)
    except InputError as error:
        yield refused("configuration", error)
        return
    yield ok("configuration", f"{architecture.parameters:,} parameters; model, tokenizer and layout agree")
    yield from all_findings(Run(config=config, architecture=architecture, sequence_length=sequence_length))


def run_configuration(recipe: str, overrides: Sequence[str]) -> TrainConfig:
    """The configuration of a recipe, by either of its names. Errors: `InputError`."""
    name, own = configuration(recipe)
    return compose_config(name, (*own, *overrides))


def as_text(findings: Sequence[Finding]) -> str:
    """A line each, and the fix below where there is one."""
    width = max(len(finding.what) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.status:<13}  {finding.what:<{width}}  {finding.found}")
        if finding.fix:
            lines.append(f"{'':13}  {'':{width}}  -> {finding.fix}")
    not_working, warnings = (sum(finding.status == status for finding in findings) for status in (BROKEN, WARNING))
    return "\n".join([*lines, f"{not_working} will not work, {warnings} warnings"])


def as_json(findings: Sequence[Finding]) -> str:
    """A list of objects with `what`, `status`, `found` and `fix`."""
    return json.dumps([asdict(finding) for finding in findings], indent=2)
