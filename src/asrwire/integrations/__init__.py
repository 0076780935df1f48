"""Other libraries' interfaces on asrwire's parsers. Nothing here imports the library it stands beside."""
