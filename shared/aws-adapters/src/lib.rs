//! The controller's ports on Amazon IVS Real-Time and Amazon DynamoDB.
