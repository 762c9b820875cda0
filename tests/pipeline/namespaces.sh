#!/usr/bin/env bash
# Trains on three machines with addresses and disks of their own, and compares with one process. Machines
# are network and mount namespaces: none sees the project folder or the scratch of another. Beside them
# a fourth, where the user sits, with an S3 server and an MLflow server. Nothing leaves the namespaces.
# Needs Linux, root, iproute2 and the extra `dev`: tests/pipeline/namespaces.sh [python]
set -euo pipefail
python=$(realpath -s "${1:-$(command -v python)}")
source=$(realpath "$(dirname "$0")/../..")
work=$(mktemp -d /tmp/m3d-XXXX)
net=$(basename "$work")
project=$work/project
switch=$net-sw
names=(head one two user)

clean() {
  exec 2>/dev/null  # the shell would name every process that it ends
  for pid in $(for each in "${names[@]}"; do ip netns pids "$net-$each" 2>/dev/null; done); do
    kill -KILL "$pid" 2>/dev/null || true
  done
  for each in "${names[@]}"; do ip netns del "$net-$each" 2>/dev/null || true; done
  ip netns del "$switch" 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT

ip netns add "$switch"
ip -n "$switch" link add name bridge0 type bridge
ip -n "$switch" link set bridge0 up
for i in "${!names[@]}"; do
  ns=$net-${names[$i]}
  ip netns add "$ns"
  ip -n "$switch" link add name "port$i" type veth peer name eth0 netns "$ns"
  ip -n "$switch" link set "port$i" master bridge0 up
  ip -n "$ns" addr add "10.77.0.$((i + 1))/24" dev eth0
  ip -n "$ns" link set eth0 up
  ip -n "$ns" link set lo up
  ip -n "$ns" route add default dev eth0
done
user() { ip netns exec "$net-user" env -C "$project" "$@"; }
machine() {  # name, command: sees no project, no processes, and no disk that another one sees
  ip netns exec "$net-$1" unshare --mount --pid --fork --kill-child --mount-proc bash -c "
    for each in project scratch ray; do mount -t tmpfs none $work/\$each; done; cd /; exec \"\$@\"
  " machine "${@:2}" >"$work/$1.log" 2>&1 &
}

mkdir -p "$work/scratch" "$work/ray" "$project/data/raw" "$project/data/init" "$project/.dvc"
cp -r "$source"/{mimic3d,pipeline,stages,dvc.yaml} "$project"
printf '[core]\n    no_scm = true\n' >"$project/.dvc/config"
sed -e 's/batch: 8/batch: 12/' -e 's/total_kimg: .*/total_kimg: 0.036/' -e 's/tick_kimg: .*/tick_kimg: 0.012/' \
  "$source/tests/tiny_params.yaml" >"$project/params.yaml"
cat >"$project/cluster.yaml" <<EOF
metadata:
  pipeline:
    address: http://10.77.0.1:8265
    storage: s3://bucket/mimic3d
    scratch: $work/scratch
    tracking_uri: http://10.77.0.4:5000
    stages: {pretrain: {machines: 3}}
    local: {pretrain: {}}
EOF

export PYTHONPATH= HOME=$work OMP_NUM_THREADS=1 RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false HF_HUB_OFFLINE=1
RAY_AUTH_TOKEN=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
export RAY_AUTH_TOKEN AWS_ENDPOINT_URL=http://10.77.0.4:5001
export AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing AWS_DEFAULT_REGION=us-east-1

user "$python" -m moto.server -H 10.77.0.4 -p 5001 >"$work/s3.log" 2>&1 &
user "$python" -m mlflow server --host 10.77.0.4 --port 5000 --workers 1 --allowed-hosts '*' \
  --backend-store-uri "sqlite:///$work/mlflow.db" --artifacts-destination "$work/artifacts" >"$work/mlflow.log" 2>&1 &
ray=("$python" -m ray.scripts.scripts start --block --disable-usage-stats --num-cpus=1 --object-store-memory=100000000)
machine head "${ray[@]}" --head --port=6379 --dashboard-host=10.77.0.1 --temp-dir="$work/ray" --node-ip-address=10.77.0.1
user "$python" -m stages.prepare
cp -r "$project" "$work/alone"
(cd "$work/alone" && "$python" -m stages.pretrain)
for i in 1 2; do
  machine "${names[$i]}" "${ray[@]}" --address=10.77.0.1:6379 --node-ip-address="10.77.0.$((i + 1))"
done
user "$python" -c 'import s3fs; s3fs.S3FileSystem().mkdir("bucket")'
user "$python" -m pipeline.run pretrain
user "$python" - "$work/alone" <<'EOF'
import sys
import pandas as pd

alone, here = (pd.read_csv(f"{root}/reports/pretrain/losses.csv") for root in (sys.argv[1], "."))
assert list(alone) == list(here)
error = ((alone - here).abs() / alone.abs().clip(lower=1e-3)).max().max()
print(f"largest relative difference of {alone.size} numbers: {error:.1e}")
assert error < 1e-4
EOF
