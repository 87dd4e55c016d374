"""The LLM judge: prompt, clients, evidence, panels."""
