"""A fake AI provider that speaks OpenAI's and Anthropic's wire formats, answers by seed, and fails on demand."""
