//! How often a value was how large.

/// Upper ends of steps for times, in seconds: a small C file takes some hundredths, a big C++ one
/// minutes.
pub(super) const SECONDS: &[f64] =
    &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// Upper ends of steps for sizes, in bytes.
pub(super) const BYTES: &[f64] = &[
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// Counts of values by steps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Histogram {
    /// The upper end of each step, which belongs to it.
    ends: &'static [f64],
    /// How many values are in each step; the last is for those beyond all ends.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    pub(super) fn new(ends: &'static [f64]) -> Histogram {
        Histogram { ends, counts: vec![0; ends.len() + 1], sum: 0.0 }
    }

    pub(super) fn note(&mut self, value: f64) {
        let step = self.ends.iter().position(|end| value <= *end).unwrap_or(self.ends.len());
        self.counts[step] += 1;
        self.sum += value;
    }

    /// All values, added up.
    pub(super) fn sum(&self) -> f64 {
        self.sum
    }

    /// How many values there were.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The end of each step and how many values are in it, and not in those before.
    pub(super) fn steps(&self) -> Vec<(f64, u64)> {
        let ends = self.ends.iter().copied().chain([f64::INFINITY]);
        ends.zip(self.counts.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_in_the_first_step_that_reaches_it() {
        let mut histogram = Histogram::new(&[1.0, 2.0]);
        for value in [0.0, 1.0, 1.5, 9.0] {
            histogram.note(value);
        }
        assert_eq!(histogram.steps(), [(1.0, 2), (2.0, 1), (f64::INFINITY, 1)]);
        assert_eq!((histogram.count(), histogram.sum()), (4, 11.5));
    }
}
