"""How a judge reaches a model: the clients of providers, batches, recorded replies, a local model."""
