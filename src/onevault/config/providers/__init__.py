"""The kinds of provider, one row each. A module beside this one is taken up by being there: all that it needs is `KINDS`."""
