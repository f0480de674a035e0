//! Which memory and which CPU belongs to which node.
