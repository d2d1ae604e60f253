#!/bin/bash
#SBATCH --job-name=transphy3d-bottles-finish
#SBATCH --output=/shared/runs/bottles/logs/slurm/%j_finish.txt
#SBATCH --open-mode=append
#SBATCH --chdir=/shared/runs/bottles
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --exclude=node7
#SBATCH --cpus-per-task=2
#SBATCH --mem=8G
#SBATCH --time=04:00:00
#SBATCH --no-requeue
# Written by transphy3d: packs, verifies and draws previews when all tasks have ended.

run=/shared/runs/bottles

export TRANSPHY3D_CORES=2
export TRANSPHY3D_KERNELS=${TMPDIR:-/tmp}/transphy3d-kernels-$(id -un)
export TRANSPHY3D_SCRATCH=${SLURM_TMPDIR:-${TMPDIR:-/tmp}}/transphy3d-$SLURM_JOB_ID
mkdir -p "$TRANSPHY3D_SCRATCH" "$TRANSPHY3D_KERNELS"
trap 'rm -rf -- "$TRANSPHY3D_SCRATCH"' EXIT

srun --overlap --ntasks=1 --cpu-bind=none --container-image=/shared/images/transphy3d.sqsh --container-mounts="$run":"$run","$TRANSPHY3D_SCRATCH":"$TRANSPHY3D_SCRATCH","$TRANSPHY3D_KERNELS":"$TRANSPHY3D_KERNELS",/shared/assets:/shared/assets,/etc/ssl:/etc/ssl transphy3d finish --out "$run" --progress plain
