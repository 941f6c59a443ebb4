"""The engines in this process's memory: the yardstick for all others."""
