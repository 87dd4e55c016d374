"""Other people's harnesses: one thin adapter each; none of their packages is imported before it is used."""
