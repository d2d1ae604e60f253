#!/bin/bash
#SBATCH --job-name=transphy3d-bottles
#SBATCH --output=/shared/runs/bottles/logs/slurm/%A_%a.txt
#SBATCH --open-mode=append
#SBATCH --chdir=/shared/runs/bottles
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --exclude=node7
#SBATCH --array=0-99%32
#SBATCH --gres=gpu:a100:4
#SBATCH --cpus-per-task=32
#SBATCH --mem=128G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
# Written by transphy3d. What is left to do stands in the run directory alone, so tasks may end,
# run twice or come back at any time.

run=/shared/runs/bottles

export TRANSPHY3D_CORES=8
export TRANSPHY3D_KERNELS=${TMPDIR:-/tmp}/transphy3d-kernels-$(id -un)
export TRANSPHY3D_SCRATCH=${SLURM_TMPDIR:-${TMPDIR:-/tmp}}/transphy3d-$SLURM_JOB_ID
mkdir -p "$TRANSPHY3D_SCRATCH" "$TRANSPHY3D_KERNELS"
trap 'rm -rf -- "$TRANSPHY3D_SCRATCH"' EXIT

agents=()
for ((n = 0; n < 4; n++)); do
    device=$(cut -d, -f$((n + 1)) <<<"$CUDA_VISIBLE_DEVICES")
    apptainer exec --nv --bind "$run" --bind "$TRANSPHY3D_SCRATCH" --bind "$TRANSPHY3D_KERNELS" --bind /shared/assets --no-home /shared/images/transphy3d.sif env CUDA_VISIBLE_DEVICES="$device" transphy3d \
        work --out "$run" --share "$((SLURM_ARRAY_TASK_ID * 4 + n))/400" \
        --seconds 14280 --progress plain &
    agents+=($!)
done

stop() {
    interrupted=yes
    kill -s "$1" "${agents[@]}" 2>/dev/null
}

# The id of a task: SLURM_JOB_ID may be that of the whole array as well.
task=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID

# Only a task that still counts as running queues itself again: not one that was cancelled, nor
# one that Slurm itself puts back.
requeue() {
    [ -e "$run/drain" ] || [ -e "$run/cancel" ] && return 1
    [ "$(squeue --noheader --jobs="$task" --format=%T)" = RUNNING ] || return 1
    echo "task $task queues again"
    scontrol requeue "$task"
}

avoid_this_node() {
    known=$(squeue --noheader --jobs="$task" --format=%x)
    scontrol update JobId="$task" ExcNodeList="${known:+$known,}$SLURMD_NODENAME"
}

out_of_time() {
    stop USR1
    # In case a frame takes longer than the time that is left.
    (sleep 105; requeue) &
    timer=$!
}

timer=
trap out_of_time USR1
trap 'stop TERM' TERM

code=0
again=
avoid=
for agent in "${agents[@]}"; do
    while interrupted=; wait "$agent"; ended=$?; [ "$interrupted" ]; do :; done
    [ $ended = 75 ] || [ $ended = 0 ] || code=$ended
    [ $ended = 75 ] && again=yes
    # A node that is unfit, or a kill: what is behind it may stay, so a few times only.
    [ "${SLURM_RESTART_COUNT:-0}" -lt 5 ] || continue
    [ $ended = 6 ] || [ $ended = 9 ] && avoid=yes
    [ "$avoid" ] || [ $ended -gt 128 ] && again=yes
done
[ "$timer" ] && kill "$timer"
[ "$again" ] && requeue && [ "$avoid" ] && avoid_this_node
exit $code
