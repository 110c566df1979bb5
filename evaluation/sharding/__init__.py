"""One result from many processes, devices or machines: units, shards, their parts, and what puts them together."""
