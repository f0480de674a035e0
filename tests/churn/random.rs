//! The random numbers of the recorded sequences: xorshift64*.

/// A generator; the same seed gives the same numbers for ever.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        let wide = u128::from(self.next()) * n as u128;
        usize::try_from(wide >> 64).expect("below n")
    }
}

/// Whether the non-movable allocation of that serial number is a reclaimable one: one third are. It
/// takes nothing from the sequence of the generator.
pub fn is_reclaimable(serial: u64) -> bool {
    let mix = |word: u64, shift: u32, factor: u64| (word ^ (word >> shift)).wrapping_mul(factor);
    let word = serial.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let word = mix(word, 30, 0xbf58_476d_1ce4_e5b9);
    let word = mix(word, 27, 0x94d0_49bb_1331_11eb);
    (word ^ (word >> 31)).is_multiple_of(3)
}
