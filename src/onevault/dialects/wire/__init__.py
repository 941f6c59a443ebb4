"""What the dialects share: framing, JSON that names its faults, sizes of inputs, the meaning of refusals."""
