"""Hyperparameter search without its launcher: spaces, proposals, trials and the ledger that remembers them."""
