//! The ports and the one loop: observe, plan, record the intent, execute, record the outcome.
