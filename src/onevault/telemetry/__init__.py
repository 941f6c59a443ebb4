"""What operators see of the gateway: metrics, logs, and the rule that no secret and no content is in them."""
