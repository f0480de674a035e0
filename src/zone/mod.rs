//! One zone: its free lists, watermarks and reserves.

pub mod fragmentation;
pub mod watermark;
