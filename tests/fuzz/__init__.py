# Differential fuzzing of everything that reads JSON directly, against the readable path over orjson: one generator of
# hostile payloads, one harness, three modes; and of everything that reads bytes, with a corpus. `python -m tests.fuzz`
# runs it for as long as you like.
#
# Knows: nothing itself; see payloads.py (what is sent), twins.py (the two readers), judge.py (whether they agree) and
# wires.py (bytes).
# Must not know: how either reader works.
