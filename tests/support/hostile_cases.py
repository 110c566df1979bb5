"""Run in a process of its own: that NeMo's loader obeys what a checkpoint of a stranger says."""

import shutil
from pathlib import Path


def poison_context(context: Path, ran: Path) -> None:
    """Put a call that writes the file `ran` into the `io.json` that NeMo builds its tokenizer from."""
    import fiddle
    from fiddle._src.experimental import serialization

    (context / "io.json").write_text(
        serialization.dump_json(fiddle.Config(shutil.copyfile, src=__file__, dst=str(ran)))
    )


def load_context_with_nemo(context: Path) -> None:
    """What NeMo does with the checkpoint that a fine-tune starts from, unless told otherwise."""
    from nemo.lightning import io

    io.load_context(context)
