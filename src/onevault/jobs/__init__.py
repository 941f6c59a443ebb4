"""What goes on beside the calls: following changes of configuration and of identities."""
