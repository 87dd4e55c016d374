"""The store of replies and embeddings that were paid for."""
