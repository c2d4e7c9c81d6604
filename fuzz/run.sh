#!/bin/sh
# Builds the fuzz targets on stable Rust and runs each of them for SECONDS: `fuzz/run.sh SECONDS [TARGET...]`.
# Ends with an error at the first input that breaks a target; the input is then in fuzz/artifacts/TARGET/.
set -eu

seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET...]}
shift
cd "$(dirname "$0")"
if [ $# -eq 0 ]; then
    for file in src/bin/*.rs; do set -- "$@" "$(basename "$file" .rs)"; done
fi

# What `cargo fuzz` would pass, but for the address sanitizer, which needs nightly (nothing here is unsafe). The target
# is named so that the flags do not reach build scripts and macros, which are not linked with libFuzzer.
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 ${RUSTFLAGS:-}" \
    CARGO_TARGET_DIR=target cargo build --release --locked --bins --target "$host"

# Seeds: files of seeds/TARGET, and for the targets whose first byte picks a message, every golden vector as every message.
seed_dir() {
    out=target/seeds/$1
    rm -rf "$out" && mkdir -p "$out"
    if [ -d "seeds/$1" ]; then cp "seeds/$1"/* "$out"; fi
    case $1 in up | down) ;; *) return 0 ;; esac
    for file in ../crates/proto/tests/golden/"$1"/*.json; do
        for kind in a b c d e f g h i j k l m; do
            { printf %s "$kind" && cat "$file"; } >"$out/$kind-$(basename "$file")"
        done
    done
}

for target in "$@"; do
    seed_dir "$target"
    mkdir -p "corpus/$target" "artifacts/$target"
    echo "== $target: $seconds s"
    "target/$host/release/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=8192 \
        -print_final_stats=1 -artifact_prefix="artifacts/$target/" \
        "corpus/$target" "target/seeds/$target" 2>&1 | tee "target/$target.log" | grep -E '^(==|SUMMARY|stat::|Done|#[0-9]+.*INITED|.*panicked)' || true
    # The pipe hides the exit code: a finished run says so.
    grep -q '^Done ' "target/$target.log" || { tail -n 40 "target/$target.log"; exit 1; }
done
