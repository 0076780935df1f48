"""Benchmarks beside named peers: ``python -m benchmarks``; ``pytest benchmarks`` tracks asrwire's own paths.

Read `rows` first: what is measured, beside whom, what is to be reached. `timing` says how (`listening` over sockets,
from the server `replay`; `held` for memory), `corpus` on what, `own`, `peers`, `typed` and `clients` by whom, `report`
and `plot` what is shown. ``python -m benchmarks.help`` measures what `asrwire --help` costs, ``python -m
benchmarks.pickles`` what it costs to hand a timeline to another process.
"""
