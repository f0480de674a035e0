//! Nodes, their distances and zonelists.

pub mod topology;
