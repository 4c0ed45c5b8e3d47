# syntax=docker/dockerfile:1
# The image of the replicas, for amd64 and arm64:
#   docker buildx build --platform linux/amd64,linux/arm64 -t registry.example.com/runstamp:0.1.0 --push .
# Each platform builds on a machine of its own kind or under emulation: the crypto library is C, and cross-compiling it would
# need a second tool chain for a few minutes' gain.

# The version of rust-toolchain.toml.
ARG RUST_VERSION=1.95.0
FROM docker.io/library/rust:${RUST_VERSION}-bookworm AS build
# What the crypto library is built with, and what the profile is made with.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake curl \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# The compiler of the image, without a look at which lints a developer wants.
ARG RUST_VERSION
ENV RUSTUP_TOOLCHAIN=${RUST_VERSION}
RUN rustup component add llvm-tools
COPY . .
# Registry and target folder are kept between builds, one of each a platform; the binary is copied out of them.
ARG TARGETARCH
RUN --mount=type=cache,target=/usr/local/cargo/registry,id=registry-${TARGETARCH},sharing=locked \
    --mount=type=cache,target=/src/target,id=target-${TARGETARCH},sharing=locked \
    .ci/with-profile cargo build --locked --release --bin runstamp \
    && install -D target/profiled/release/runstamp /out/runstamp

# glibc and the root certificates, no shell.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/runstamp /usr/local/bin/runstamp
# A number, so that the kubelet sees that it is not root.
USER 65532:65532
EXPOSE 8443 8080
ENTRYPOINT ["/usr/local/bin/runstamp"]
CMD ["serve"]
