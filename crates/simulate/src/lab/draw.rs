//! Where everything in the laboratory that looks like chance comes from.
//!
//! One generator (SplitMix64), written out here because a trace in the repository and results in tests must not change
//! with the version of a dependency.

/// A source of draws that depends on its seed only.
#[derive(Debug, Clone)]
pub(crate) struct Draw(u64);

impl Draw {
    /// A source for one purpose. Sources of other purposes under the same seed draw independently, so that a change in
    /// how one is used does not change the others.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        let mut draw = Self(seed ^ purpose.wrapping_mul(0xd1b5_4a32_d192_ed03));
        draw.bits();
        draw
    }

    /// 64 well-mixed bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The time until the next of events that come independently at this rate per second.
    pub(crate) fn exponential(&mut self, per_second: f64) -> f64 {
        -(1.0 - self.unit()).ln() / per_second
    }

    /// Lognormal with this median, and `sigma` of the logarithm.
    pub(crate) fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.unit()).cos();
        median * (sigma * normal).exp()
    }

    /// The index of one of several shares, each as likely as it is large; 0 if none is.
    pub(crate) fn share(&mut self, shares: &[f64]) -> usize {
        let mut at = self.unit() * shares.iter().sum::<f64>();
        for (index, share) in shares.iter().enumerate() {
            if at < *share {
                return index;
            }
            at -= share;
        }
        0
    }
}
