//! How slow a host is known to be, and so when its silence is strange.

use std::time::Duration;

/// No silence below this is strange.
const LEAST_SUSPICION: Duration = Duration::from_secs(10);

/// How many times longer than ever before a host has to be silent to be suspected.
const FACTOR: u32 = 4;

/// What a job costs that has no source to speak of, in bytes of source.
const BASE_BYTES: u64 = 64 << 10;

/// How long a pace need not be noted again that says much the same.
const FRESH: Duration = Duration::from_secs(60);

/// A pace is forgotten after this time.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// How long a host has made jobs wait at most, in proportion to their sources: the silence between
/// the last byte of a source and the first of the answer, queues included.
///
/// Only slow jobs are worth a note: as long as all are fast, a host without a pace is treated the
/// same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    nanoseconds_per_byte: u64,
    /// When it was noted, in time since 1970.
    noted: Duration,
}

impl Pace {
    /// The pace of one job, if it is worth a note. `now` is the time since 1970.
    #[must_use]
    pub fn of(silence: Duration, n_bytes: usize, now: Duration) -> Option<Pace> {
        let nanoseconds = u64::try_from(silence.as_nanos()).unwrap_or(u64::MAX);
        let nanoseconds_per_byte = nanoseconds / weight(n_bytes);
        let is_slow = silence >= LEAST_SUSPICION / FACTOR;
        is_slow.then_some(Pace { nanoseconds_per_byte, noted: now })
    }

    /// The pace after one more slow job: the slowest counts, and fades.
    #[must_use]
    pub fn after(self, older: Option<Pace>) -> Pace {
        let Some(older) = older.filter(|older| older.is_known(self.noted)) else { return self };
        let (old, new) = (older.nanoseconds_per_byte, self.nanoseconds_per_byte);
        Pace { nanoseconds_per_byte: new.max(old - old / 8 + new / 8), noted: self.noted }
    }

    /// Whether this pace of one job says something that the kept one does not: a note is a file.
    #[must_use]
    pub fn is_news(self, older: Option<Pace>) -> bool {
        older.is_none_or(|older| {
            let is_slower = self.nanoseconds_per_byte / 9 * 8 > older.nanoseconds_per_byte;
            let age = self.noted.checked_sub(older.noted);
            is_slower || age.is_none_or(|age| age >= FRESH)
        })
    }

    /// After which silence a host is suspected to do nothing at all, for a source of `n_bytes`.
    #[must_use]
    pub fn suspicion(pace: Option<Pace>, n_bytes: usize, now: Duration) -> Duration {
        let Some(pace) = pace.filter(|pace| pace.is_known(now)) else { return LEAST_SUSPICION };
        let expected = pace.nanoseconds_per_byte.saturating_mul(weight(n_bytes));
        Duration::from_nanos(expected).saturating_mul(FACTOR).max(LEAST_SUSPICION)
    }

    /// Whether it is too early to be suspicious of any host.
    #[must_use]
    pub fn is_early(silence: Duration) -> Option<Duration> {
        LEAST_SUSPICION.checked_sub(silence).filter(|left| !left.is_zero())
    }

    /// A pace noted in the future, as after a change of the clock, is known.
    fn is_known(self, now: Duration) -> bool {
        now.saturating_sub(self.noted) < LIFE
    }

    /// The pace as text, to be kept.
    #[must_use]
    pub fn to_text(self) -> String {
        format!("{} {}", self.nanoseconds_per_byte, self.noted.as_secs())
    }

    /// Reads [`Pace::to_text`] again. `None` for what is no pace.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Pace> {
        let (pace, noted) = text.split_once(' ')?;
        let noted = Duration::from_secs(noted.parse().ok()?);
        Some(Pace { nanoseconds_per_byte: pace.parse().ok()?, noted })
    }
}

fn weight(n_bytes: usize) -> u64 {
    BASE_BYTES.saturating_add(n_bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEGABYTE: usize = 1 << 20;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn pace(silence: u64, n_bytes: usize) -> Pace {
        Pace::of(seconds(silence), n_bytes, seconds(1000)).unwrap()
    }

    #[track_caller]
    fn check(pace: Option<Pace>, n_bytes: usize, now: u64, expected: u64) {
        let suspicion = Pace::suspicion(pace, n_bytes, seconds(now));
        assert_eq!(suspicion.as_millis().div_ceil(1000), u128::from(expected));
    }

    #[test]
    fn a_host_that_was_never_slow_is_suspected_after_ten_seconds() {
        assert_eq!(Pace::of(seconds(2), MEGABYTE, seconds(0)), None);
        check(None, 8 * MEGABYTE, 1000, 10);
        assert_eq!(Pace::is_early(seconds(7)), Some(seconds(3)));
        assert_eq!(Pace::is_early(seconds(10)), None);
    }

    #[test]
    fn a_slow_host_is_suspected_later_the_more_so_for_large_sources() {
        check(Some(pace(20, MEGABYTE)), MEGABYTE, 1000, 80);
        check(Some(pace(20, MEGABYTE)), 4 * MEGABYTE, 1000, 306);
        check(Some(pace(20, MEGABYTE)), 0, 1000, 10);
        check(Some(pace(20, MEGABYTE)), MEGABYTE, 1000 + 24 * 3600, 10);
        check(Some(pace(20, MEGABYTE)), usize::MAX, 0, 18_446_744_073 * 4 + 3);
    }

    #[test]
    fn much_the_same_is_no_news_for_a_minute() {
        let (slow, slower, slowest) = (pace(20, MEGABYTE), pace(22, MEGABYTE), pace(30, MEGABYTE));
        let later = |seconds| Pace { noted: slow.noted + self::seconds(seconds), ..slow };
        assert!(slow.is_news(None) && slowest.is_news(Some(slow)));
        assert!(!slower.is_news(Some(slow)) && !slow.is_news(Some(slowest)));
        assert!(!later(59).is_news(Some(slow)) && later(60).is_news(Some(slow)));
        // The clock was set back.
        assert!(slow.is_news(Some(later(1))));
    }

    #[test]
    fn the_slowest_job_counts_and_fades() {
        let (slow, less_slow) = (pace(20, MEGABYTE), pace(4, MEGABYTE));
        assert_eq!(slow.after(Some(less_slow)), slow);
        check(Some(less_slow.after(Some(slow))), MEGABYTE, 1000, 72);
        assert_eq!(less_slow.after(None), less_slow);
    }

    #[test]
    fn a_pace_survives_being_kept() {
        let pace = pace(20, MEGABYTE);
        assert_eq!(Pace::from_text(&pace.to_text()), Some(pace));
        for text in ["", "1", "1 x", "-1 1", "1 99999999999999999999999"] {
            assert_eq!(Pace::from_text(text), None);
        }
    }
}
