"""Read a manifest with Kubeflow Trainer's own models and print what they keep of it; run with one version on the path.

The models drop a field that they do not know, as the API server of that version does.
"""

import json
import sys

from kubeflow_trainer_api import models

KINDS = {"TrainJob": models.TrainerV1alpha1TrainJob, "TrainingRuntime": models.TrainerV1alpha1TrainingRuntime}


def kept(document: dict[str, object]) -> dict[str, object]:
    """The document as the models write it."""
    made = KINDS[str(document["kind"])].from_dict(document)
    assert made is not None
    return json.loads(json.dumps(made.to_dict(), default=str))  # type: ignore[no-any-return]


if __name__ == "__main__":
    print(json.dumps([kept(document) for document in json.load(sys.stdin)]))
