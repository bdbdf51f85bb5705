"""The commands of ``botlive``, one module each, imported only when they are called."""
