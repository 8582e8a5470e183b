#!/bin/sh
# Brings the release of one run to a folder of this machine, where `gleaner index` and `gleaner serve` want it. Started
# again, it fetches what has changed. What the run worked with stays in the bucket.
set -eu
run="store/$GLEANER_BUCKET/$GLEANER_RUN"
folder="/runs/$GLEANER_RUN"
mc alias set --quiet store "$AWS_ENDPOINT_URL_S3" "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" > /dev/null
mkdir -p "$folder"
mc cp --quiet "$run/run.json" "$folder/run.json"
mc mirror --quiet --overwrite --remove "$run/release" "$folder/release"
# Tombstones, where `gleaner remove` has left some.
if mc stat "$run/removed.jsonl" > /dev/null 2>&1; then mc cp --quiet "$run/removed.jsonl" "$folder/removed.jsonl"; fi
