"""The commands of ``botlive``: one module per command, imported only when the command is called."""
