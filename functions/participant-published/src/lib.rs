//! The participant-published function.
