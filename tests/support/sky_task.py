"""Read a task with SkyPilot's own parser and print what it understood. Run in SkyPilot's environment."""

import json
import sys

import sky

task = sky.Task.from_yaml(sys.argv[1])
(resources,) = task.resources
print(
    json.dumps(
        {
            "name": task.name,
            "num_nodes": task.num_nodes,
            "accelerators": resources.accelerators,
            "use_spot": resources.use_spot,
            "recovery": resources.job_recovery,
            "downloads": dict(task.file_mounts or {}),
            "mounts": {path: [store.source, store.mode.value] for path, store in task.storage_mounts.items()},
            "volumes": dict(task.volumes),
            "envs": sorted(task.envs),
        }
    )
)
