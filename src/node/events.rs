//! What happened on the machine as a whole.

use crate::sync::Tally;

/// Counts of what is no zone's.
#[derive(Debug, Default)]
pub(crate) struct MachineEvents {
    /// Requests that had zones compacted for them.
    #[doc(alias = "COMPACTSTALL")]
    pub(crate) compact_stalls: Tally,
    /// Those that got a block by it.
    #[doc(alias = "COMPACTSUCCESS")]
    pub(crate) compact_successes: Tally,
    /// Times that kcompactd had something to do.
    #[doc(alias = "KCOMPACTD_WAKE")]
    pub(crate) kcompactd_wakes: Tally,
}
