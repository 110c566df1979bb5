# Genomic Llama for engine=bridge, on NVIDIA's NeMo container: Megatron-Bridge, Megatron-Core, Transformer Engine and
# PyTorch are the container's. docker/README.md says how it is run, and what of it has been tried.
#
#   docker build --file docker/bridge.Dockerfile --tag genomic-llama:bridge .
#
# 26.08 has Megatron-Bridge 0.6.1 on megatron-core 0.19.1; install_bridge.sh checks that it is 0.6 and 0.19.
ARG BASE=nvcr.io/nvidia/nemo:26.08.01
# hadolint ignore=DL3006
FROM ${BASE}

SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /opt/genomic-llama

# First what changes seldom: the dependencies stay in a layer of their own.
COPY requirements/bridge.lock requirements/bridge.lock
COPY docker/install_bridge.sh docker/install_bridge.sh
RUN bash docker/install_bridge.sh dependencies

COPY . .
RUN bash docker/install_bridge.sh project

# Any uid may run it: caches go where all may write, and Python asks these variables for a user's name.
ENV HOME=/cache/home \
    XDG_CACHE_HOME=/cache \
    HF_HOME=/cache/huggingface \
    MPLCONFIGDIR=/cache/matplotlib \
    NUMBA_CACHE_DIR=/cache/numba \
    TORCHINDUCTOR_CACHE_DIR=/cache/inductor \
    TRITON_CACHE_DIR=/cache/triton \
    USER=genomic \
    LOGNAME=genomic
RUN install --directory --mode=1777 /cache /cache/home /workspace

ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
ARG BASE
LABEL org.opencontainers.image.title="Genomic Llama (Megatron-Bridge)" \
    org.opencontainers.image.description="Train and convert genomic Llama models with Megatron-Bridge" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}" \
    org.opencontainers.image.base.name="${BASE}"
USER 1000:1000
WORKDIR /workspace
CMD ["genomic-llama", "--help"]
