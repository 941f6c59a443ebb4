"""Where a call goes next: pure decisions on targets and on trying again."""
