"""What requests cost: prices, budgets, estimates, the ledger of a run."""
