//! The local stand: the real function binaries on an embedded world, with one command.
