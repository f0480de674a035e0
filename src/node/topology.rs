//! The order in which nodes are tried.
