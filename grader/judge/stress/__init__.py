"""How far a judge can be relied on: probes, repeats, drift between versions."""
