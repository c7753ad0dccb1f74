//! The participant-unpublished function.
