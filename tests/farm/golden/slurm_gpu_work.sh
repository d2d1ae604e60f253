#!/bin/bash
#SBATCH --job-name=transphy3d-bottles
#SBATCH --output=/shared/runs/bottles/logs/slurm/%A_%a.txt
#SBATCH --open-mode=append
#SBATCH --chdir=/shared/runs/bottles
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --account=vision
#SBATCH --qos=normal
#SBATCH --exclude=node7,node9
#SBATCH --array=0-549%64
#SBATCH --partition=gpu,long
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=1-00:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --exclusive
# Written by transphy3d. What is left to do stands in the run directory alone, so tasks may end,
# run twice or come back at any time.

run=/shared/runs/bottles
module load python/3.11
export LD_PRELOAD='/shared/my lib.so'
ulimit -n 4096

export TRANSPHY3D_CORES=8
export TRANSPHY3D_KERNELS=${TMPDIR:-/tmp}/transphy3d-kernels-$(id -un)
export TRANSPHY3D_SCRATCH=/scratch/$USER/transphy3d-$SLURM_JOB_ID
mkdir -p "$TRANSPHY3D_SCRATCH" "$TRANSPHY3D_KERNELS"
trap 'rm -rf -- "$TRANSPHY3D_SCRATCH"' EXIT

agents=()
for ((n = 0; n < 1; n++)); do
    /shared/venv/bin/transphy3d \
        work --out "$run" --share "$((SLURM_ARRAY_TASK_ID * 1 + n))/550" \
        --seconds 86280 --progress plain &
    agents+=($!)
done

stop() {
    interrupted=yes
    kill -s "$1" "${agents[@]}" 2>/dev/null
}

# The id of a task: SLURM_JOB_ID may be that of the whole array as well.
task=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID

# What a command of Slurm's prints; a busy controller is asked again.
ask() {
    for pause in 1 2 4; do
        "$@" && return
        sleep $pause
    done
    "$@"
}

# Only a task that still counts as running queues itself again: not one that was cancelled, nor
# one that Slurm itself puts back.
requeue() {
    [ -e "$run/drain" ] || [ -e "$run/cancel" ] && return 1
    [ "$(ask squeue --noheader --jobs="$task" --format=%T)" = RUNNING ] || return 1
    echo "task $task queues again"
    ask scontrol requeue "$task"
}

# Only a waiting task takes other nodes to keep off.
requeue_elsewhere() {
    known=$(ask squeue --noheader --jobs="$task" --format=%x) && requeue || return
    ask scontrol update JobId="$task" ExcNodeList="${known:+$known,}$SLURMD_NODENAME"
}

# Notes an end whose cause may stay; whether the task may still come back after so many of them.
may_come_back() {
    echo "$SLURMD_NODENAME" >>"$run/logs/slurm/$task.bad"
    [ "$(wc -l <"$run/logs/slurm/$task.bad")" -le 5 ]
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
bad=
avoid=
for agent in "${agents[@]}"; do
    while interrupted=; wait "$agent"; ended=$?; [ "$interrupted" ]; do :; done
    [ $ended = 75 ] || [ $ended = 0 ] || code=$ended
    [ $ended = 75 ] && again=yes
    [ $ended = 6 ] || [ $ended = 9 ] && avoid=yes
    [ "$avoid" ] || [ $ended -gt 128 ] && bad=yes
done
[ "$timer" ] && kill "$timer"
[ "$bad" ] && may_come_back && again=yes
# Slurm ends with SIGTERM what a queued task has left here, and that would be `scontrol` as well.
trap '' TERM USR1
if [ "$again" ] && [ "$avoid" ]; then requeue_elsewhere; elif [ "$again" ]; then requeue; fi
exit $code
