"""Who may call, kept in a signed file beside the vault, for when the vault is away."""
