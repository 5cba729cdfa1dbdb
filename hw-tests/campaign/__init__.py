"""Campaigns against the whole service: a viewer that counts, faults on request, figures kept.

Everything here runs on the host and reaches the guest through forwarded ports, as a foreign
viewer would; so all times are of one clock.
"""
