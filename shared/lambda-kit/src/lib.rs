//! What every function shares: configuration, telemetry, the EventBridge envelope, error to diagnostic.
