//! What the sizes of a machine's zones decide: their watermarks.

use super::Machine;
use super::pcp::PcpHigh;
use crate::ZoneType;
use crate::memmap::Table;
use crate::platform::Platform;
use crate::sync::IrqGuard;
use crate::zone::Zone;
use crate::zone::watermark::setup::{WatermarkSetup, Watermarks, ZoneSize, lowmem_pages};

/// What the watermarks follow from, beside the sizes of the zones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizing {
    pub(crate) page_shift: u32,
    /// In 1/10000 of a zone.
    pub(crate) watermark_scale_factor: u32,
    /// The type that the MOVABLE zone is cut out of.
    pub(crate) movable_zone: ZoneType,
    pub(crate) pcp_high: PcpHigh,
}

/// The sizes of all zones.
pub(crate) fn sizes(zones: &Table<Zone>) -> impl Iterator<Item = ZoneSize> {
    zones.as_slice().iter().map(|zone| ZoneSize {
        node: zone.shared.id.node(),
        zone: zone.shared.zone_type(),
        present: zone.shared.present.get(),
        managed: zone.shared.managed.get(),
    })
}

impl Sizing {
    /// The watermarks of each zone, in the order of the table, when all keep so much free.
    #[doc(alias = "__setup_per_zone_wmarks")]
    pub(crate) fn watermarks(
        self,
        zones: &Table<Zone>,
        min_free_kbytes: u64,
    ) -> impl Iterator<Item = Watermarks> {
        let movable_zone = self.movable_zone;
        let setup = WatermarkSetup::new(
            min_free_kbytes,
            self.page_shift,
            self.watermark_scale_factor,
            lowmem_pages(sizes(zones), movable_zone),
        );
        sizes(zones).map(move |size| setup.watermarks(size.managed, size.class(movable_zone)))
    }
}

impl Machine {
    /// Sets the watermarks of all zones anew, ends their boosts, and shares out what CPUs may keep.
    #[doc(alias = "setup_per_zone_wmarks")]
    pub(crate) fn set_min_free_kbytes<P: Platform>(&self, kbytes: u64, platform: &P) {
        let marks = self.sizing.watermarks(&self.zones, kbytes);
        for (zone, marks) in self.zones.as_slice().iter().zip(marks) {
            let irq = IrqGuard::new(platform);
            zone.with(&self.memmap, &irq, |zone| {
                zone.shared.set_boost(0);
                zone.shared.set_watermarks(marks);
            });
        }
        self.size_pcps();
    }
}
