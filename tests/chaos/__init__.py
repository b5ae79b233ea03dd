"""Kills and faults under load: `scripts/chaos`. `run` is a run, `script` its choices, `checker` judges what is left."""
