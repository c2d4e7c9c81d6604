//! The pace at which codes are judged, all devices together: whoever comes faster waits. Nobody is refused for what others do,
//! unless so many wait that the last would wait too long; then it is asked to come again, and finds a place.

use std::time::Duration;

use parking_lot::Mutex;

/// The longest wait; well below the time after which the device plane gives a message up.
const LONGEST: Duration = Duration::from_secs(10);

/// When the next try is judged.
#[derive(Debug)]
pub(crate) struct Pace {
    interval: Duration,
    /// How far ahead of the pace a burst after a quiet time may run.
    burst: Duration,
    began: tokio::time::Instant,
    next: Mutex<Duration>,
}

/// As many wait already as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crowded;

impl Pace {
    /// `per_second` tries, and a second's worth of them at once after a quiet time.
    pub(crate) fn new(per_second: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self {
            interval,
            burst: Duration::from_secs(1),
            began: tokio::time::Instant::now(),
            next: Mutex::new(Duration::ZERO),
        }
    }

    /// Takes a place in the line; how long until it is one's turn.
    fn place(&self, now: Duration) -> Result<Duration, Crowded> {
        let mut next = self.next.lock();
        // `next` is a burst ahead of itself: while it lags behind, tries pass at once.
        let turn = (*next).max(now.saturating_sub(self.burst));
        let wait = turn.saturating_sub(now);
        if wait > LONGEST {
            return Err(Crowded);
        }
        *next = turn + self.interval;
        Ok(wait)
    }

    /// Waits for one's turn.
    pub(crate) async fn turn(&self) -> Result<(), Crowded> {
        let wait = self.place(self.began.elapsed())?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever comes when: in no stretch more than the pace and its burst, nobody overtakes, and nobody waits too long.
        #[test]
        fn tries_are_spread(per_second in 1_u32..50, gaps in prop::collection::vec(0_u64..400, 1..400)) {
            let pace = Pace::new(per_second);
            let (mut now, mut turns) = (Duration::ZERO, Vec::new());
            for gap in gaps {
                now += Duration::from_millis(gap);
                match pace.place(now) {
                    Ok(wait) => {
                        prop_assert!(wait <= LONGEST);
                        turns.push(now + wait);
                    }
                    Err(Crowded) => {
                        // Who is asked to come again does not push the line further.
                        let end = *pace.next.lock();
                        prop_assert!(end > now + LONGEST);
                    }
                }
            }
            prop_assert!(turns.is_sorted());
            for (at, first) in turns.iter().enumerate() {
                for stretch in [1_u32, 5, 20] {
                    let until = *first + Duration::from_secs(u64::from(stretch));
                    let within = turns[at..].iter().take_while(|t| **t < until).count();
                    prop_assert!(within <= (per_second * (stretch + 1) + 1) as usize, "{within} in {stretch} s");
                }
            }
        }
    }

    #[test]
    fn a_line_that_is_full_takes_newcomers_again_when_it_has_moved() {
        let pace = Pace::new(10);
        let at = Duration::from_secs(100);
        let taken = (0..1000).filter(|_| pace.place(at).is_ok()).count();
        assert_eq!(taken, 10 + 101, "a burst at once, and the longest wait's worth in line");
        assert_eq!(pace.place(at), Err(Crowded));
        assert!(pace.place(at + Duration::from_millis(100)).is_ok());
    }
}
