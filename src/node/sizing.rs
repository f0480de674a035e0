//! What the sizes of a machine's zones decide: their watermarks.

use super::Machine;
use super::pcp::PcpHigh;
use crate::memmap::Table;
use crate::platform::Platform;
use crate::sync::IrqGuard;
use crate::zone::Zone;
use crate::zone::watermark::ZoneView;
use crate::zone::watermark::setup::{
    WatermarkSetup, Watermarks, ZoneSize, lowmem_pages, lowmem_reserve, min_free_kbytes,
    nr_free_zone_pages,
};
use crate::zone_id::ZoneId;
use crate::{MAX_NR_ZONES, WatermarkLevel, ZoneType};
use core::sync::atomic::{AtomicU32, Ordering};

/// What the watermarks follow from, beside the sizes of the zones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizing {
    pub(crate) page_shift: u32,
    /// In 1/10000 of a zone.
    pub(crate) watermark_scale_factor: u32,
    pub(crate) lowmem_reserve_ratio: [u32; MAX_NR_ZONES],
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

    /// What all zones together are to keep free, in KiB, unless the user has set more.
    #[doc(alias = "calculate_min_free_kbytes")]
    pub(crate) fn min_free_kbytes(self, zones: &Table<Zone>, user: Option<u32>) -> u64 {
        let buffers = zones.as_slice().iter().map(|zone| &zone.shared);
        let buffers = buffers.filter(|zone| zone.zone_type() <= ZoneType::Normal).map(|zone| {
            let high = zone.watermark(WatermarkLevel::High).saturating_add(zone.watermark_boost());
            (zone.managed.get(), high)
        });
        min_free_kbytes(nr_free_zone_pages(buffers), self.page_shift, user.map(u64::from))
    }

    /// What a zone keeps back from requests for higher ones.
    pub(crate) fn lowmem_reserve(self, zones: &Table<Zone>, id: ZoneId) -> [u64; MAX_NR_ZONES] {
        let ratio = self.lowmem_reserve_ratio[id.zone_type().index()];
        lowmem_reserve(id.zone_type(), ratio, |other| {
            let zone = zones.as_slice().get(ZoneId::new(id.node(), other).index());
            zone.map_or(0, |zone| zone.shared.managed.get())
        })
    }
}

/// What the user wants kept free, if anything was said.
#[doc(alias = "user_min_free_kbytes")]
#[derive(Debug)]
pub(crate) struct UserMinFree(AtomicU32);

impl UserMinFree {
    /// The number that says nothing: more than Linux takes.
    const NONE: u32 = u32::MAX;

    pub(crate) fn new(kbytes: Option<u32>) -> Self {
        Self(AtomicU32::new(kbytes.unwrap_or(Self::NONE)))
    }

    fn get(&self) -> Option<u32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|kbytes| *kbytes != Self::NONE)
    }

    fn set(&self, kbytes: u32) {
        self.0.store(kbytes, Ordering::Relaxed);
    }
}

impl Machine {
    /// The user wants so much kept free.
    pub(crate) fn set_min_free_kbytes<P: Platform>(&self, kbytes: u32, platform: &P) {
        self.user_min_free.set(kbytes);
        self.setup_per_zone_wmarks(kbytes.into(), platform);
    }

    /// Sets all that follows from the sizes of the zones anew; gives what all of them keep free, in KiB.
    #[doc(alias = "init_per_zone_wmark_min")]
    pub(crate) fn size_zones<P: Platform>(&self, platform: &P) -> u64 {
        let kbytes = self.sizing.min_free_kbytes(&self.zones, self.user_min_free.get());
        self.setup_per_zone_wmarks(kbytes, platform);
        for zone in self.zones.as_slice() {
            let reserve = self.sizing.lowmem_reserve(&self.zones, zone.shared.id);
            let irq = IrqGuard::new(platform);
            zone.with(&self.memmap, &irq, |zone| zone.shared.set_lowmem_reserves(reserve));
        }
        kbytes
    }

    /// Sets the watermarks of all zones anew, ends their boosts, and shares out what CPUs may keep.
    fn setup_per_zone_wmarks<P: Platform>(&self, kbytes: u64, platform: &P) {
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
