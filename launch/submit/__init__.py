"""A training run as a job: the script for a cluster, and what submits it. Imports neither NeMo nor NeMo-Run."""
