//! Watermarks.
