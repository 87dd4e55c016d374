"""How many labels, and which design: expected intervals before a label is paid for."""
