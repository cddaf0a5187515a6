# syntax=docker/dockerfile:1
# An image with the program alone: `docker build --tag truycap .`. Add
# `--build-arg TRUYCAP_COMMIT=$(git rev-parse --short=12 HEAD)`, because the build context has no git history.

FROM rust:1.95.0-slim-bookworm AS build
# The certificates for `rediss://`. The C compiler for the built-in SQLite is in this image.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock build.rs ./
COPY benches benches
COPY config config
COPY tests/support tests/support
COPY web web
COPY src src
ARG TRUYCAP_COMMIT=
# The caches keep downloads and compiled code between builds. Linked statically, so the program needs no system files.
# With --target, the flags do not apply to build scripts and macros.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    target="$(rustc --print host-tuple)" \
 && RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target "$target" \
 && mkdir /empty \
 && cp "target/$target/release/truycap" /

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /truycap /
# Below the operator's file and variables. It is not in /etc/truycap, where a directory is mounted.
COPY config/image.toml /
# Journal and store. Everything else can be read-only.
COPY --from=build --chown=65532:65532 /empty /data
VOLUME /data
WORKDIR /data
ENV TRUYCAP_DEFAULTS=/image.toml
USER 65532:65532
# 8080 is for browsers or the proxy. 8081 is for health and metrics; do not publish it.
EXPOSE 8080 8081
# The process finishes and applies pending views within ten seconds.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/truycap", "health"]
ENTRYPOINT ["/truycap"]
CMD ["serve"]
