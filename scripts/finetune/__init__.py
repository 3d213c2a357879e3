"""The parts of scripts/finetune_embedder.py: pairs, names, folds, hard negatives, the model, the measurements."""
