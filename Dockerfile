# Builds the store and puts the one binary into a small image.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends libclang-dev libssl-dev zlib1g-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# RocksDB first: it changes rarely and takes longest, so it gets a layer of its own.
COPY Cargo.toml Cargo.lock rust-toolchain.toml ./
COPY .ci/deps .ci/deps
RUN mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs && .ci/deps
COPY . .
RUN .ci/deps && cargo build --locked --release

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends libssl3 zlib1g ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/inventory-store --create-home inventory
COPY --from=build /build/target/release/inventory-store /usr/local/bin/inventory-store
COPY config/ /etc/inventory-store/
USER inventory
VOLUME /var/lib/inventory-store
EXPOSE 8080
ENTRYPOINT ["inventory-store"]
CMD ["serve", "--data-dir", "/var/lib/inventory-store"]
