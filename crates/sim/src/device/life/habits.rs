//! What a device says of itself without being asked: sales, errors, rows of telemetry. Made up, steady, and different from device to
//! device.

use std::collections::BTreeMap;
use std::time::Duration;

use argosy_agent_core::Jitter;
use argosy_proto::StreamName;
use argosy_proto::UpMessage;
use argosy_proto::message::{DataRow, DataValue, ErrorLog, SalesData};

use super::Life;
use crate::counters::Counters;
use crate::device::words::Note;
use crate::features::Features;

const SALES: &[(&str, &str)] =
    &[("drink", "cola"), ("drink", "water"), ("snack", "chips"), ("coffee", "americano")];
const ERRORS: &[(&str, &str)] = &[
    ("COIN", "coin acceptor jammed"),
    ("DOOR", "door open for 120 s"),
    ("WIFI", "reconnected after 3 tries"),
    ("TEMP", "compressor above its range"),
];

/// When each is due next.
#[derive(Debug)]
pub(super) struct Habits {
    due: [Option<u64>; 3],
    said: u64,
}

impl Habits {
    /// Nothing at all for a fleet without habits, so that it costs it nothing.
    pub(super) fn begin(features: &Features, now: u64, jitter: &mut Jitter) -> Option<Box<Self>> {
        let every = [features.sales_every, features.errors_every, features.data_every];
        if every.iter().all(Option::is_none) {
            return None;
        }
        // Spread over the period, so that a fleet that starts together does not speak together.
        let due = every.map(|every| every.map(|every| now + jitter.up_to(millis(every))));
        Some(Box::new(Self { due, said: jitter.up_to(1_000) }))
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.due.iter().flatten().min().copied()
    }
}

fn millis(every: Duration) -> u64 {
    u64::try_from(every.as_millis()).unwrap_or(u64::MAX).max(1)
}

impl Life<'_> {
    /// Says what is due by now; `true` if something was.
    pub(super) fn habits_due(&mut self, now: u64) -> bool {
        let registered = self.ledger.lasting.is_registered();
        let Some(habits) = &mut self.habits else { return false };
        let Some(which) = habits.due.iter().position(|due| due.is_some_and(|at| now >= at)) else {
            return false;
        };
        let features = &self.context.config.features;
        let every = [features.sales_every, features.errors_every, features.data_every][which];
        habits.due[which] = every.map(|every| now.saturating_add(millis(every)));
        habits.said += 1;
        let said = habits.said;
        if registered && let Some(message) = self.habit(which, said) {
            Counters::add(&self.context.counters.told, 1);
            self.publish(&message, Note::Nothing);
        }
        true
    }

    fn habit(&self, which: usize, said: u64) -> Option<UpMessage> {
        let seed = self.device.choices.seed.wrapping_add(said.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let pick = |count: usize| (seed >> 33) as usize % count;
        let timestamp = Some(self.time());
        Some(match which {
            0 => {
                let (kind, sub) = SALES[pick(SALES.len())];
                UpMessage::SalesData(SalesData {
                    kind: kind.to_owned(),
                    sub_type: Some(sub.to_owned()),
                    timestamp,
                })
            }
            1 => {
                let (tag, log) = ERRORS[pick(ERRORS.len())];
                UpMessage::StatusErrorLog(ErrorLog {
                    error_tag: tag.to_owned(),
                    log: log.to_owned(),
                    timestamp,
                })
            }
            _ => {
                let values = BTreeMap::from([
                    ("temperature".to_owned(), DataValue::Float(20.0 + (seed % 100) as f64 / 10.0)),
                    ("count".to_owned(), DataValue::Int(i64::try_from(said).unwrap_or(0))),
                    ("door_open".to_owned(), DataValue::Bool(seed & 1 == 1)),
                ]);
                let row = DataRow { values, timestamp };
                UpMessage::Data { stream: StreamName::new("sensors").ok()?, row }
            }
        })
    }
}
