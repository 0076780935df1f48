# The httpcore transport: one HTTP exchange over one connection, in two colours that share every decision, and the call
# that is made of such exchanges.
#
# Knows: HTTP/1.1 exchanges, connections, timers, limits. Must not know: JSON, event streams, sentences (only _call, at
# the top, knows the ResultStream it feeds). Importing the package imports neither httpcore nor anyio.
