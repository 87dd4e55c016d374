"""The simulated study of ``harmrate demo``: transcripts, a judge and raters whose errors are known.

Nothing in it happened: no model wrote these transcripts and no person labelled them.
"""

# Fixed before anyone had seen an interval; never changed since.
SEED = 20261123
HARMS = ("blackmail", "leaking", "deception")

__all__ = ["HARMS", "SEED"]
