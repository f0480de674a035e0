//! The ACPI tables SRAT and SLIT.
