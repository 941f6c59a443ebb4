"""The words everything else is said in: money, faults, chat, events, usage, identity and the ports between rooms."""
