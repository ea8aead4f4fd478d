"""The `edge-s2i` command. Every subcommand imports what is heavy inside its function."""
