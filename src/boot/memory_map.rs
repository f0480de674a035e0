//! The firmware's memory map.
