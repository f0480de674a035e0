//! Where ZONE_MOVABLE begins.
