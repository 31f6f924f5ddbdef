use crate::types::Timestamp;

/// How fast a lane may publish.
#[derive(Default)]
pub(super) struct Pace {
    /// Bytes written that the time since has not paid for yet.
    pub owed: f64,
    at: Option<Timestamp>,
}

impl Pace {
    /// Whether more may be written now.
    pub(super) fn allows(&mut self, now: Timestamp, bytes_per_second: u64) -> bool {
        let passed = self.at.map_or(0, |at| now.0.saturating_sub(at.0)).max(0);
        self.owed = (self.owed - passed as f64 / 1000.0 * bytes_per_second as f64).max(0.0);
        self.at = Some(now);
        self.owed <= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_lets_no_more_through_than_configured() {
        let mut pace = Pace::default();
        let mut written = 0;
        for ms in 0..10_000 {
            if pace.allows(Timestamp(ms), 1000) {
                pace.owed += 250.0;
                written += 250;
            }
        }
        assert!((9_500..=10_500).contains(&written), "{written} in ten seconds at 1000 a second");
    }
}
