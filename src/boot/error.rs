//! Why a machine can't be booted.
