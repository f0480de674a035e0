//! Booting: what a [`page_alloc::boot::Survey`] makes of memory maps, clean and dirty, of ACPI
//! tables, and of what Linux recorded of the same machines; and the allocators that it leads to.

#[path = "boot_map/acpi.rs"]
mod acpi;
#[path = "boot_map/booted.rs"]
mod booted;
#[path = "boot_map/dirty.rs"]
mod dirty;
#[path = "boot_map/firmware.rs"]
mod firmware;
#[path = "boot_map/golden.rs"]
mod golden;
#[path = "boot_map/hostile.rs"]
mod hostile;
#[path = "boot_map/hotplug.rs"]
mod hotplug;
#[path = "boot_map/hotplug_interrupt.rs"]
mod hotplug_interrupt;
#[path = "boot_map/hotplug_model.rs"]
mod hotplug_model;
#[path = "boot_map/hotplug_slow.rs"]
mod hotplug_slow;
#[path = "boot_map/interrupted.rs"]
mod interrupted;
#[path = "boot_map/later.rs"]
mod later;
#[path = "boot_map/later_interrupt.rs"]
mod later_interrupt;
#[path = "boot_map/later_model.rs"]
mod later_model;
#[path = "boot_map/linux.rs"]
mod linux;
#[path = "boot_map/model.rs"]
mod model;
#[path = "boot_map/movable.rs"]
mod movable;
#[path = "boot_map/properties.rs"]
mod properties;
#[path = "boot_map/tables.rs"]
mod tables;
#[path = "boot_map/text.rs"]
mod text;
