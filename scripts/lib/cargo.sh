# shellcheck shell=bash disable=SC2154
# The steps of ./check that are more than one command. Sourced.

published=(tidegate-core tidegate-limiter tidegate-tower tidegate-sqlx tidegate)

# A linker and a C compiler (for the bundled SQLite) come with Debian's gcc; the oldest Rust we promise is said.
check_toolchain() {
    local promised here
    command -v cc >/dev/null || install_packages gcc libc6-dev
    # A minimal Rust lacks these two; they are part of the toolchain, not of Debian's packages.
    { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1 || rustup component add rustfmt clippy
    promised=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    here=$(rustc --version | cut -d ' ' -f 2)
    echo "rust-version is $promised, this is Rust $here"
    case $here in
    "$promised" | "$promised".*) echo "this is the oldest Rust we promise: every build below is the proof" ;;
    *)
        # Cargo itself refuses to build with an older one.
        echo "this Rust is newer: clippy's incompatible_msrv looks for newer std items; the rest needs a run on $promised"
        ;;
    esac
}

start_servers() { scripts/servers start; }

# The features that the manifest of crate $1 declares.
features_of() { sed -n '/^\[features\]/,/^\[/s/^\([a-z][a-z0-9_-]*\) *=.*/\1/p' "crates/$1/Cargo.toml"; }

# Each published crate builds by itself, with none, each and all of its features, without a warning.
check_features() {
    local crate feature
    for crate in "${published[@]}"; do
        lint_alone "$crate"
        for feature in $(features_of "$crate"); do
            lint_alone "$crate" --features "$feature"
        done
        lint_alone "$crate" --all-features
    done
}

lint_alone() {
    echo "$1 ${*:2}"
    cargo clippy --quiet --package "$1" --lib --no-default-features "${@:2}" -- -D warnings
}

# All interleavings of the permit engine. The cfg is our own, as `--cfg loom` would change our dependencies as well.
check_loom() {
    RUSTFLAGS="--cfg tidegate_loom" CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/loom \
        cargo test --package tidegate-limiter --release --lib loom | tee "$log.loom"
    grep -q '^test result: ok\. [1-9]' "$log.loom" || die "no loom test ran"
    rm "$log.loom"
}

# Licences, duplicate versions and sources; advisories where their database can be fetched.
check_dependencies() {
    # A debug build of the tool is made in a third of the time and is fast enough.
    command -v cargo-deny >/dev/null || cargo install --locked --debug --version 0.20.2 cargo-deny
    if timeout 120 cargo deny fetch db >/dev/null 2>&1; then
        cargo deny check
    else
        echo "NOT CHECKED: advisories, as their database cannot be fetched from here"
        cargo deny check licenses bans sources
    fi
}

# `cargo run --release` as a newcomer runs it, but short, on every kind of database: no connection error is allowed.
check_main_job() {
    local url
    for url in "" "$TIDEGATE_TEST_POSTGRES" "$TIDEGATE_TEST_MARIADB"; do
        cargo run --release --quiet -- deep-scan --duration 2s --policy none,adaptive ${url:+--database-url "$url"}
    done
    cargo run --release --quiet -- plan --pool 20 --jobs 5 --experts 11 --queries 2
}
