#!/bin/bash
#SBATCH --job-name=transphy3d-bottles
#SBATCH --output=/shared/runs/bottles/logs/slurm/%A_%a.txt
#SBATCH --open-mode=append
#SBATCH --chdir=/shared/runs/bottles
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --exclude=node7
#SBATCH --array=0-1000%32
#SBATCH --gres=gpu:2
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --no-requeue
#SBATCH --signal=B:USR1@120
# Written by transphy3d. What is left to do stands in the run directory alone, so tasks may end,
# run twice or come back at any time.

run=/shared/runs/bottles

export TRANSPHY3D_CORES=4
export TRANSPHY3D_KERNELS=${TMPDIR:-/tmp}/transphy3d-kernels-$(id -un)
export TRANSPHY3D_SCRATCH=${SLURM_TMPDIR:-${TMPDIR:-/tmp}}/transphy3d-$SLURM_JOB_ID
mkdir -p "$TRANSPHY3D_SCRATCH" "$TRANSPHY3D_KERNELS"
trap 'rm -rf -- "$TRANSPHY3D_SCRATCH"' EXIT

agents=()
for ((n = 0; n < 2; n++)); do
    device=$(cut -d, -f$((n + 1)) <<<"$CUDA_VISIBLE_DEVICES")
    srun --overlap --ntasks=1 --cpu-bind=none --container-image=/shared/images/transphy3d.sqsh --container-mounts="$run":"$run","$TRANSPHY3D_SCRATCH":"$TRANSPHY3D_SCRATCH","$TRANSPHY3D_KERNELS":"$TRANSPHY3D_KERNELS",/shared/assets:/shared/assets,/etc/ssl:/etc/ssl env CUDA_VISIBLE_DEVICES="$device" transphy3d \
        work --out "$run" --share "$((SLURM_ARRAY_TASK_ID * 2 + n))/2002" \
        --progress plain &
    agents+=($!)
done

stop() {
    interrupted=yes
    kill -s "$1" "${agents[@]}" 2>/dev/null
}

trap 'stop USR1' USR1
trap 'stop TERM' TERM

code=0
for agent in "${agents[@]}"; do
    while interrupted=; wait "$agent"; ended=$?; [ "$interrupted" ]; do :; done
    [ $ended = 75 ] || [ $ended = 0 ] || code=$ended
done
exit $code
