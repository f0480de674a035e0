//! What is known of each CPU.

use super::route::Routes;
use crate::NodeId;
use core::sync::atomic::{AtomicBool, Ordering};

/// A CPU of the machine.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Cpu {
    pub(crate) routes: Routes,
    pub(crate) node: NodeId,
    online: AtomicBool,
}

impl Cpu {
    /// A CPU of a node, online.
    pub(crate) fn new(node: NodeId, routes: Routes) -> Self {
        Self { routes, node, online: AtomicBool::new(true) }
    }

    /// Whether it counts where memory is shared out among CPUs.
    pub(crate) fn is_online(&self) -> bool {
        self.online.load(Ordering::Relaxed)
    }

    pub(crate) fn set_online(&self) {
        self.online.store(true, Ordering::Relaxed);
    }

    pub(crate) fn set_offline(&self) {
        self.online.store(false, Ordering::Relaxed);
    }
}
