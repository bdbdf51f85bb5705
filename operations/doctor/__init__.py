"""The checks of ``botlive doctor``: what is wrong in an installation, and the cure of each fault."""
