"""Other libraries' interfaces on asrwire's parsers and values."""
