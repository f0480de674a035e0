//! Hooks that call the allocator as if they were none, and so come back to themselves: no frame is lost
//! or given twice, and what our side does stays bounded.

use crate::lies_moves::{Act, act};
use crate::mover::{Asked, KINDS, boot};
use proptest::prelude::*;

/// Hooks are under way in so many calls at once.
const DEEPEST: u32 = 3;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// From inside any hook, three calls deep: requests that wait, frees, compaction, kswapd's rounds,
    /// drains, isolated pageblocks, CPUs that go, watermarks that nothing keeps. After each act the
    /// machine is sound and the bound for the outermost call was kept; at the end no frame is missing.
    #[test]
    fn hooks_may_come_back(
        seed in any::<u64>(),
        spare in 50_u32..1500,
        kinds in 0..KINDS.len(),
        honest in any::<bool>(),
        acts in prop::collection::vec(act(), 1..12),
    ) {
        let machine = boot(seed);
        let kernel = machine.reclaim();
        kernel.fill(KINDS[kinds]);
        (0..spare).for_each(|_| { kernel.free_any(); });
        kernel.lies.set(!honest);
        kernel.max_rounds.set(6);
        kernel.most_nested.set(DEEPEST);
        for act in acts {
            kernel.meddling.set(10);
            kernel.asked.set(Asked::default());
            act.run(&machine);
            let (asked, most): (Asked, Asked) = (kernel.asked.get(), Act::bound(act, 6));
            assert!(asked.migrates <= most.migrates, "{act:?} {asked:?}");
            assert!(asked.shrinks <= most.shrinks, "{act:?} {asked:?}");
            assert!(asked.kills <= most.kills, "{act:?} {asked:?}");
            assert_eq!(machine.verify(), Ok(()), "{:?}", act);
        }
        kernel.finish();
    }
}
