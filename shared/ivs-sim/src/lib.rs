//! Amazon IVS Real-Time as its clients see it: a library on a port of time, and an HTTP server.
