//! How recordings name what a request is about.

use super::port::KINDS;
use super::slowpath::Request;
use super::slowpath_gfp::Gfp;
use super::slowpath_script::zone_name;

impl Request<'_> {
    pub(super) fn shortage_name(&self) -> String {
        let (order, gfp) = (self.asked.order, self.gfp_name(&self.gfp));
        format!("order={order} {gfp} mask={}", self.mask_name())
    }

    pub(super) fn highest_name(&self) -> &'static str {
        KINDS[self.highest]
    }

    pub(super) fn mask_name(&self) -> String {
        let Some(mask) = self.mask else { return "-".into() };
        let nodes: Vec<String> = (0..64)
            .filter(|node| mask >> node & 1 != 0)
            .map(|node: u32| node.to_string())
            .collect();
        if nodes.is_empty() { "none".into() } else { nodes.join(",") }
    }

    pub(super) fn gfp_name(&self, gfp: &Gfp) -> String {
        format!("gfp{}", gfp.beside(&self.asked.gfp))
    }

    pub(super) fn frame_name(&self, pfn: u64) -> String {
        format!("{pfn} {}", zone_name(self.machine.id_of(pfn)))
    }
}
