//! From a caller's flags and context to the flags of one attempt.
