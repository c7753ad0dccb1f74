//! The rules document: YAML in, core rules out, with errors that name rule, field, value and range.
