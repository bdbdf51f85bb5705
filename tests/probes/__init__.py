"""Probes: what strangers, intruders and other shops' owners get of a shop, asked of any PostgREST.

Every request is made twice, from one seed: aimed at a victim, by those who may not, and by who may, as the
positive control. A probe passes if the answer is a clean denial or shows no row of the victim's, *and* its
control succeeds. What a target does not speak is a failed probe; only the local stand-in is not asked for it.
"""
