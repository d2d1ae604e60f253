#!/bin/bash
#SBATCH --job-name=transphy3d-bottles-finish
#SBATCH --output=/shared/runs/bottles/logs/slurm/%j_finish.txt
#SBATCH --open-mode=append
#SBATCH --chdir=/shared/runs/bottles
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --account=vision
#SBATCH --qos=normal
#SBATCH --exclude=node7,node9
#SBATCH --partition=cpu
#SBATCH --cpus-per-task=2
#SBATCH --mem=8G
#SBATCH --requeue
# Written by transphy3d: packs, verifies and draws previews when all tasks have ended.

run=/shared/runs/bottles
module load python/3.11
export LD_PRELOAD='/shared/my lib.so'
ulimit -n 4096

export TRANSPHY3D_CORES=2
export TRANSPHY3D_KERNELS=${TMPDIR:-/tmp}/transphy3d-kernels-$(id -un)
export TRANSPHY3D_SCRATCH=/scratch/$USER/transphy3d-$SLURM_JOB_ID
mkdir -p "$TRANSPHY3D_SCRATCH" "$TRANSPHY3D_KERNELS"
trap 'rm -rf -- "$TRANSPHY3D_SCRATCH"' EXIT

/shared/venv/bin/transphy3d finish --out "$run" --progress plain
