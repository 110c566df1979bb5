"""Turn off what libraries would send or download by themselves. Applied before they load."""

import os
from pathlib import Path

_NO_EXPORTERS = Path(__file__).with_name("one_logger_exporters.json")

OFF = {
    "DO_NOT_TRACK": "1",  # consoledonottrack.com; several libraries respect it
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",  # models are directories; `corpus download` uses its own client
    "RAY_USAGE_STATS_ENABLED": "0",
    "WANDB_ERROR_REPORTING": "false",  # crash reports of the client; it logs where a run asks for it
    "OTEL_SDK_DISABLED": "true",
    # NeMo's one-logger loads the exporters that a file of the working directory names, unless this one is there.
    "ONE_LOGGER_EXPORTER_CONFIG_PATH": str(_NO_EXPORTERS),
}
"""Environment variables. A variable that is already set is not changed, so each can be turned on again."""


def turn_off_telemetry() -> None:
    """Set what is not set."""
    for name, value in OFF.items():
        os.environ.setdefault(name, value)
