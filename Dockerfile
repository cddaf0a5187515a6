# syntax=docker/dockerfile:1
# The service in an image that holds nothing else: `docker build --tag truycap .`, best with
# `--build-arg TRUYCAP_COMMIT=$(git rev-parse --short=12 HEAD)`, for the checkout's history is not sent along.

FROM rust:1.95.0-slim-bookworm AS build
# A C compiler, for the SQLite that is built in, is in this image; the certificates by which `rediss://` is trusted are not.
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
# What was downloaded and compiled is kept between builds, so only what has changed is compiled again. Linked statically:
# the program needs no file of the system. With a target named, build scripts and macros stay as they are.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    target="$(rustc --print host-tuple)" \
 && RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target "$target" \
 && mkdir /empty \
 && cp "target/$target/release/truycap" /

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /truycap /
# Journal and store. Everything else may be read-only.
COPY --from=build --chown=65532:65532 /empty /data
VOLUME /data
WORKDIR /data
ENV TRUYCAP_LISTEN__PUBLIC=0.0.0.0:8080 \
    TRUYCAP_LISTEN__ADMIN=0.0.0.0:9090 \
    TRUYCAP_STORE__URL=sqlite:/data/truycap.db \
    TRUYCAP_JOURNAL__PATH=/data/journal.db \
    TRUYCAP_DEMO=false
USER 65532:65532
# 8080 is for browsers, or the proxy before them; 9090 is for health and metrics, and is not to be published.
EXPOSE 8080 9090
# Views under way are finished and applied, within ten seconds.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/truycap", "health"]
ENTRYPOINT ["/truycap"]
CMD ["serve"]
