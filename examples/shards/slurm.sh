#!/bin/bash
# A billion seeds in a thousand tasks of a Slurm array: `sbatch slurm.sh`, and again after a failure of the cluster.
#SBATCH --job-name=tapboard-sim
#SBATCH --array=0-999
#SBATCH --cpus-per-task=1
#SBATCH --mem=256M
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
set -eu
seeds=${SEEDS:-0..1000000000}
records=${RECORDS:-records}

mkdir -p "$records"
exec tapboard sim --seeds "$seeds" --threads "${SLURM_CPUS_PER_TASK:-1}" \
    --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" \
    --resume "$records/shard-$SLURM_ARRAY_TASK_ID.jsonl"
