//! Zones with something special, and a zone alone.

#[path = "zone/cma.rs"]
mod cma;
#[path = "zone/raw_zone.rs"]
mod raw_zone;
