# The httpcore transport: one HTTP exchange over one connection, in two colours that share every decision.
#
# Knows: HTTP/1.1 exchanges, connections, timers, limits. Must not know: speech recognition, JSON, event streams.
# Importing it imports neither httpcore nor anyio.
