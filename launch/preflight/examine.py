"""All that the doctor looks at, in order."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from configs.compose import compose_config
from configs.schema import TrainConfig
from foundation.errors import InputError
from launch.planning.names import configuration
from launch.preflight.check import check_config
from launch.preflight.checkpoints import checkpoint_findings
from launch.preflight.devices import device_findings, find_gpus
from launch.preflight.finding import BROKEN, WARNING, Finding, broken, ok, refused, warning
from launch.preflight.software import software_findings
from launch.preflight.system import run_directory, system_findings


def examine(recipe: str | None, overrides: Sequence[str]) -> Iterator[Finding]:
    """The machine, and where a recipe is given whether it can run here."""
    config = run_configuration(recipe, overrides) if recipe else None
    gpus = find_gpus()
    yield from software_findings(gpu=config.hardware.accelerator == "gpu" if config else bool(gpus))
    yield from device_findings(config, gpus)
    yield from system_findings()
    if config is not None:
        yield from _run_findings(config)


def run_configuration(recipe: str, overrides: Sequence[str]) -> TrainConfig:
    """The configuration of a recipe, by either of its names. Errors: `InputError`."""
    name, own = configuration(recipe)
    return compose_config(name, (*own, *overrides))


def _run_findings(config: TrainConfig) -> Iterator[Finding]:
    try:
        architecture, sequence_length = check_config(config)
    except InputError as error:
        yield refused("configuration", error)
        return
    yield ok("configuration", f"{architecture.parameters:,} parameters; model, tokenizer and layout agree")
    corpora = list(_corpus_findings(config))
    yield from corpora
    yield from run_directory(config, architecture)
    if all(finding.status != BROKEN for finding in corpora):
        yield from checkpoint_findings(config, architecture, sequence_length)


def _corpus_findings(config: TrainConfig) -> Iterator[Finding]:
    from corpus import synthetic
    from corpus.manifest import has_own_checksum, verify
    from training.data.sources import parse_sources

    for source in parse_sources(config.dataset.corpus):
        if source.corpus == Path(synthetic.CORPUS) and not source.corpus.exists():
            yield ok("corpus", "the built-in one, prepared at the start")
            continue
        try:
            manifest = verify(source.corpus)
        except (InputError, OSError) as error:
            yield broken("corpus", str(error), "Prepare it, or copy it here again.")
            continue
        bases = sum(split.bases for split in manifest.splits)
        yield ok("corpus", f"{source.corpus}: {bases:,} bases, all files of the size that its manifest says")
        if not has_own_checksum(source.corpus):
            found = f"the manifest of {source.corpus} has no checksum of its own"
            yield warning("corpus", found, "It is an older one; damage in it that contradicts nothing is not seen.")


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
