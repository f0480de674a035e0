//! What a request puts up with: how long it believes what nothing bears out, and how often it has
//! memory compacted. See "It ends" in the module above.

/// Of so many claims in a row that memory was freed, though no frame was, the last is not believed.
const MAX_CREDIT: u32 = 128;

/// So many compactions are as many as a request can have while each attempt fails for a reason that
/// passes: sixteen retries at each of the three priorities. After one more they come at growing distances.
const MAX_COMPACTIONS: u32 = 48;

/// What a request has put up with so far.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Claims in a row that nothing bore out.
    claims: u32,
    compactions: u32,
    /// Compactions that are put off before the next.
    put_off: u32,
}

impl Patience {
    /// Whether to believe that memory was freed, given how many frames of the machine had been freed
    /// before and after: there are more now; or it was not so often in vain, as what is freed with delay
    /// is no lie.
    pub(super) fn believes(&mut self, before: u64, after: u64) -> bool {
        self.claims = if before == after { self.claims.saturating_add(1) } else { 0 };
        self.claims < MAX_CREDIT
    }

    /// Whether to compact now, or to put it off.
    pub(super) fn may_compact(&mut self) -> bool {
        let left = self.put_off.checked_sub(1);
        self.put_off = left.unwrap_or(0);
        left.is_none()
    }

    /// Zones were compacted, and the request is not served by it yet: the next time is put off, if
    /// there have been many, twice as long as the last.
    pub(super) fn has_compacted(&mut self) {
        self.compactions = self.compactions.saturating_add(1);
        let over = self.compactions.saturating_sub(MAX_COMPACTIONS);
        self.put_off = 1_u32.checked_shl(over).unwrap_or(u32::MAX) - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A claim is believed while frames come free; without any, so many in a row are.
    #[test]
    fn credit_is_bounded() {
        let mut patience = Patience::default();
        assert!((0..1000).all(|freed| patience.believes(freed, freed + 1)));
        let believed = (0..1000).take_while(|_| patience.believes(999, 999)).count();
        assert_eq!(believed, MAX_CREDIT as usize - 1);
        assert!(!patience.believes(999, 999) && patience.believes(999, 1000));
    }

    /// Many compactions are made at once; then a request that asks again and again has as many more as
    /// its questions have doublings.
    #[test]
    fn compactions_are_few() {
        let mut patience = Patience::default();
        let mut compactions = 0;
        for round in 1..=1_u32 << 16 {
            if patience.may_compact() {
                patience.has_compacted();
                compactions += 1;
            }
            assert!(compactions <= MAX_COMPACTIONS + round.ilog2());
            assert!(round > MAX_COMPACTIONS || compactions == round);
        }
        assert_eq!(compactions, MAX_COMPACTIONS + 15);
    }

    /// However often it is asked, nothing overflows.
    #[test]
    fn it_does_not_overflow() {
        let mut patience =
            Patience { compactions: u32::MAX, claims: u32::MAX, ..Patience::default() };
        patience.has_compacted();
        assert_eq!(patience.put_off, u32::MAX - 1);
        assert!(!patience.believes(7, 7) && !patience.may_compact());
    }
}
