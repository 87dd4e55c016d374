"""Human labels in, and what to label next."""
