"""Measures OneVault side by side with LiteLLM and Portkey, in one run, against one upstream: `python -m bench`."""
