//! The pure core: identifiers, rules, observations, the planner and its report.
