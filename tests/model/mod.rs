//! The naive model of the allocator: the same decisions, made with the dullest data.
//!
//! A free list is a `Vec` of frame numbers, a frame is an entry of a table, and every search is
//! linear. Nothing of the crate is used. `tests/model_golden.rs` proves the model against the
//! recordings, `tests/model_slow.rs` its slow path; what it says of histories that nobody recorded
//! then counts as an oracle.
#![allow(clippy::cast_possible_truncation, reason = "the frames of a test fit any machine")]

mod isolate;
pub mod pair;
pub mod port;
pub mod request;
mod rmqueue;
pub mod slowpath;
mod slowpath_attempt;
mod slowpath_flags;
pub mod slowpath_gfp;
mod slowpath_names;
pub mod slowpath_script;
mod slowpath_weigh;
mod slowpath_work;
pub mod walk;
pub mod zone;
