# Genomic Llama for CPUs: laptops, CI, workflow managers. Debian, the lock's packages by their hashes, the project.
# docker/README.md says how it is run, and what of it has been tried.
#
#   docker build --file docker/cpu.Dockerfile --tag genomic-llama:cpu .
ARG BASE=docker.io/library/debian:bookworm-slim@sha256:96e378d7e6531ac9a15ad505478fcc2e69f371b10f5cdf87857c4b8188404716

# hadolint ignore=DL3006
FROM ${BASE} AS build
# More of pip: where it finds torch's CPU build, whose hash is in the lock.
ARG PIP_OPTIONS="--extra-index-url https://download.pytorch.org/whl/cpu"
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv
WORKDIR /build
COPY requirements/image.lock requirements/image.lock
COPY docker/install_cpu.sh docker/install_cpu.sh
RUN bash docker/install_cpu.sh dependencies
COPY . .
RUN bash docker/install_cpu.sh project

# hadolint ignore=DL3006
FROM ${BASE}
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install --yes --no-install-recommends ca-certificates libstdc++6 procps python3 && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log && \
    install --directory --mode=1777 /cache /cache/home /workspace && \
    install --directory /opt/genomic-llama
COPY --from=build /opt/venv /opt/venv

# Any uid may run it, also one that the image has no name for, on a read-only root: caches go where all may write, and
# Python asks these variables for a user's name.
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    HOME=/cache/home \
    XDG_CACHE_HOME=/cache \
    HF_HOME=/cache/huggingface \
    MPLCONFIGDIR=/cache/matplotlib \
    NUMBA_CACHE_DIR=/cache/numba \
    TORCHINDUCTOR_CACHE_DIR=/cache/inductor \
    NEMO_HOME=/cache/nemo \
    NEMORUN_HOME=/cache/nemo_run \
    USER=genomic \
    LOGNAME=genomic

ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
ARG BASE
LABEL org.opencontainers.image.title="Genomic Llama (CPU)" \
    org.opencontainers.image.description="Prepare corpora, train, convert, score and report genomic Llama models" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}" \
    org.opencontainers.image.base.name="${BASE}"
USER 1000:1000
WORKDIR /workspace
ENTRYPOINT ["entrypoint.sh"]
CMD ["--help"]
