#!/bin/sh
# `docker run IMAGE score …` is `genomic-llama score …`; a program of the image (bash, python) or a path runs as it is,
# which workflow managers need.
case "${1:-}" in
    bash | sh | python | python3 | genomic-llama | nemo | torchrun | */*) exec "$@" ;;
    *) exec genomic-llama "$@" ;;
esac
