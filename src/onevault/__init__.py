"""OneVault Gateway: one service between applications and AI providers, exact about money."""

__version__ = "0.1.0"
