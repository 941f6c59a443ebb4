"""A fake AI provider that speaks the providers' own wire formats, answers by seed, and fails on demand."""
