#!/bin/sh
# Does a home folder of an earlier version go on working? `tests/old_home.sh REVISION`, where
# `make install` has been run; some minutes. A checkout of the revision gets a home by `make demo`,
# is brought to this commit as `git pull` would do it, and goes on with the same home.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
tree=$folder/triptych
home=$folder/var
git -C "$root" worktree add --quiet --detach "$tree" "${1:?a revision, such as HEAD~1}"
trap 'git -C "$root" worktree remove --force "$tree"; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
ln -s "$root/.venv" "$tree/.venv"
cd "$tree"
export TRIPTYCH_HOME="$home" PYTHONPATH="$tree:$tree/edge/device"

run() {
    echo "> python -m $*"
    .venv/bin/python -m "$@" >"$folder/output" 2>&1 || { cat "$folder/output"; exit 1; }
}
says() {
    grep -qF -- "$1" "$folder/output" && return
    cat "$folder/output"
    echo "error: it does not say: $1" >&2
    exit 1
}

make -o .venv/installed demo  # its packages are this checkout's
run edge_detector status --home "$home/device"
release=$(sed -n 's/^current *\([^ ]* [^ ]*\) .*/\1/p' "$folder/output")
champion=$(sed -n 's/.*"champion": "\(.*\)".*/\1/p' "$home/fraud/registry.json")

git checkout --quiet --detach "$(git -C "$root" rev-parse HEAD)"
run flows.score_sentiment \
    --source tasks/sentiment/demo/reviews.csv --source-name demo \
    --text-column review --id-column review_id \
    --carry product,stars --report-by written_on --max-rejected-share 0.05
says "Nothing to do: demo of "
run services.fraud.demo
says "\"model\": \"$champion\""
run flows.manage_models --list-models
says "$champion  champion"
run flows.audit_fraud --delay-days 0
says "model          $champion"
run flows.collect_telemetry
run flows.manage_releases --list-releases
says "${release% *}"
run edge_detector update --home "$home/device" --releases "$home/releases"
says "nothing to do: $release is up to date"
run edge_detector run --source "$home/edge/conveyor.mp4" --headless --home "$home/device" \
    --releases "$home/releases" --update-every 0
run edge_detector status --home "$home/device"
says "$release "
echo "the home of $1 goes on: $champion, $release"
