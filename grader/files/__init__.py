"""Files: atomic writes, spreadsheet and terminal shields, remote storage, secrets. Every package may use it."""
