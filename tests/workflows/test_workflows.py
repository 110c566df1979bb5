"""Snakemake runs the wrappers as the document shows; the scripts of the Nextflow modules are run by bash."""

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / "workflows"
BIN = Path(sys.executable).parent
DOCUMENT = (ROOT / "docs" / "workflows.md").read_text(encoding="utf-8")
PATH = f"{BIN}:/usr/local/bin:/usr/bin:/bin"


def snakemake(project: Path, snakefile: str, *targets: str) -> subprocess.CompletedProcess[str]:
    program = ROOT / ".venv-snakemake" / "bin" / "snakemake"
    if not program.exists():
        pytest.skip("Snakemake is not here: make integrations")
    (project / "Snakefile").write_text(snakefile.replace("/path/to/genomic-llama", str(ROOT)))
    environment = {**os.environ, "PATH": PATH, "HOME": str(project), "OMP_NUM_THREADS": "1"}
    command = [program, "--cores", "2", "--printshellcmds", *targets]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def snakefile() -> str:
    found = re.search(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found is not None
    return found[1]


def check_outputs(project: Path) -> None:
    assert json.loads((project / "corpus" / "manifest.json").read_text())["splits"]
    assert json.loads((project / "scores.json").read_text())
    text = gzip.decompress((project / "effects.vcf.gz").read_bytes()).decode()
    rows = [row for row in text.splitlines() if not row.startswith("#")]
    assert len(rows) == 3
    assert len((project / "effects.tsv").read_text().splitlines()) >= 4


def test_the_documents_snakefile_runs(project: Path) -> None:
    result = snakemake(project, snakefile())
    assert result.returncode == 0, result.stderr[-3000:]
    check_outputs(project)
    assert (project / "logs" / "prepare.log").exists()
    again = snakemake(project, snakefile())
    assert "Nothing to be done" in again.stderr + again.stdout


def test_a_failing_command_fails_the_rule(project: Path) -> None:
    (project / "variants.vcf").write_text("not a VCF\n")
    result = snakemake(project, snakefile(), "effects.vcf.gz")
    assert result.returncode != 0
    assert not (project / "effects.vcf.gz").exists()
    assert "variants.vcf" in (project / "logs" / "variants.log").read_text()


def test_a_name_that_is_no_vcf_is_refused(project: Path) -> None:
    result = snakemake(project, snakefile().replace("effects.vcf.gz", "effects.bcf"), "effects.bcf")
    assert result.returncode != 0
    assert "does not end with .vcf.gz" in result.stderr + result.stdout


GIVEN = {
    "prepare": {"sources": "genome.fa", "task.cpus": "2", "args": "--validation-fraction 0.2 --segment-length 200"},
    "score": {"model": "model", "source": "corpus", "task.cpus": "1", "args": ""},
    "variants": {"model": "model", "fasta": "genome.fa", "vcf": "variants.vcf", "task.cpus": "1", "args": ""},
}
PREFIX = {"prepare": "corpus", "score": "scores", "variants": "effects"}


def script_of(name: str) -> str:
    """The script of a Nextflow module with its variables filled in, as Groovy does."""
    module = (WORKFLOWS / "nextflow" / name / "main.nf").read_text(encoding="utf-8")
    found = re.search(r'script:.*?"""\n(.*?)"""', module, re.DOTALL)
    assert found is not None
    values = {**GIVEN[name], "prefix": PREFIX[name], "task.process": name.upper()}
    filled = re.sub(r"(?<!\\)\$\{([\w.]+)\}", lambda match: values[match[1]], found[1])
    return filled.replace("\\$", "$").replace("\\\\n", "\\n")


def test_the_scripts_of_the_nextflow_modules_run(project: Path) -> None:
    environment = {**os.environ, "PATH": PATH, "OMP_NUM_THREADS": "1"}
    for name in GIVEN:
        command = ["bash", "-euo", "pipefail", "-c", script_of(name)]
        result = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, (name, result.stderr[-2000:])
        told = (project / "versions.yml").read_text()
        assert re.fullmatch(rf'"{name.upper()}":\n    genomic-llama: \d+\.\d+\.\d+\n', told)
    check_outputs(project)


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_nextflow_modules_are_balanced_and_emit_what_their_script_writes(name: str) -> None:
    module = (WORKFLOWS / "nextflow" / name / "main.nf").read_text(encoding="utf-8")
    assert module.count("{") == module.count("}")
    assert module.count('"""') == 4
    emitted = re.findall(r'path\("\$\{prefix\}([\w.]*)"\), emit', module)
    stub = module[module.index("stub:") :]
    assert emitted
    assert all(f"${{prefix}}{end}" in stub for end in emitted)
