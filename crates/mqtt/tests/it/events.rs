//! An engine that does as the test says and remembers what it was told.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use argosy_domain::ports::{
    Admitted, ClientIdentity, ConnectionNumber, DeviceEvents, Door, InboundMessage, Offered, PortError,
    PortErrorKind, Refusal, Rights,
};
use argosy_proto::DeviceKey;
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::pki::LIMIT;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Connected(String, u64),
    Disconnected(String, u64),
    Message { key: String, topic: String, payload: String, qos: u8, plain: bool },
}

pub struct Engine {
    log: Mutex<Vec<Event>>,
    changed: Notify,
    pub revoked: Mutex<HashSet<String>>,
    pub suspended: Mutex<HashSet<String>>,
    /// Serial to key, for certificates whose CN is not the key.
    pub imported: Mutex<HashMap<String, String>>,
    /// Keys that once had a certificate: never on the plain listener.
    pub certified: Mutex<HashSet<String>>,
    /// Devices whose sessions may not do everything.
    pub restricted: Mutex<HashMap<String, Rights>>,
    pub failing: AtomicBool,
    pub unavailable: AtomicBool,
    /// Messages have their place at once, and many of a device are under way.
    pub taking: AtomicBool,
    /// There is no space for what they say.
    pub full: AtomicBool,
    /// Messages become durable only when it is open.
    pub durable: watch::Sender<bool>,
    /// Called once, after the answer of `authenticate` has been found and before it is given.
    pub before_answer: Mutex<Option<Meanwhile>>,
    pub holding: Notify,
}

/// What happens in the middle of something else.
pub type Meanwhile = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

impl Engine {
    pub fn new() -> Self {
        Self {
            log: Mutex::default(),
            changed: Notify::new(),
            revoked: Mutex::default(),
            suspended: Mutex::default(),
            imported: Mutex::default(),
            certified: Mutex::default(),
            restricted: Mutex::default(),
            failing: AtomicBool::new(false),
            unavailable: AtomicBool::new(false),
            taking: AtomicBool::new(false),
            full: AtomicBool::new(false),
            durable: watch::Sender::new(true),
            before_answer: Mutex::default(),
            holding: Notify::new(),
        }
    }

    fn note(&self, event: Event) {
        self.log.lock().push(event);
        self.changed.notify_waiters();
    }

    pub fn log(&self) -> Vec<Event> {
        self.log.lock().clone()
    }

    pub fn messages(&self) -> Vec<(String, String)> {
        let log = self.log();
        log.into_iter()
            .filter_map(|event| match event {
                Event::Message { topic, payload, .. } => Some((topic, payload)),
                _ => None,
            })
            .collect()
    }

    /// What was told of connections of `key`, in order: the number, and whether it came or went.
    pub fn presence(&self, key: &str) -> Vec<(u64, bool)> {
        let log = self.log();
        log.into_iter()
            .filter_map(|event| match event {
                Event::Connected(k, n) if k == key => Some((n, true)),
                Event::Disconnected(k, n) if k == key => Some((n, false)),
                _ => None,
            })
            .collect()
    }

    /// Waits until `found` finds something in the log.
    pub async fn until<T>(&self, what: &str, found: impl Fn(&[Event]) -> Option<T>) -> T {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if let Some(found) = found(&self.log.lock()) {
                    return found;
                }
                changed.await;
            }
        };
        match tokio::time::timeout(LIMIT, wait).await {
            Ok(found) => found,
            Err(_) => panic!("waited in vain for: {what}; log: {:?}", self.log()),
        }
    }

    fn admitted(&self, key: DeviceKey) -> Admitted {
        let rights = self.restricted.lock().get(key.as_str()).copied().unwrap_or(Rights::Full);
        Admitted { key, rights }
    }

    pub async fn until_message(&self, topic: &str) -> String {
        self.until(topic, |log| {
            log.iter().find_map(|event| match event {
                Event::Message { topic: t, payload, .. } if t == topic => Some(payload.clone()),
                _ => None,
            })
        })
        .await
    }

    pub async fn until_connections(&self, key: &str, count: usize) {
        let connected = |event: &&Event| matches!(event, Event::Connected(k, _) if k == key);
        self.until("connected", |log| (log.iter().filter(connected).count() >= count).then_some(())).await;
    }

    pub async fn until_gone(&self, key: &str, count: usize) {
        let gone = |event: &&Event| matches!(event, Event::Disconnected(k, _) if k == key);
        self.until("disconnected", |log| (log.iter().filter(gone).count() >= count).then_some(())).await;
    }
}

#[async_trait]
impl DeviceEvents for Engine {
    async fn authenticate(&self, client: ClientIdentity) -> Result<Admitted, Refusal> {
        if self.unavailable.load(Ordering::SeqCst) {
            return Err(Refusal::Unavailable);
        }
        let wrong = Refusal::WrongClientId { client_id: client.client_id.clone() };
        let answer = match (&client.certificate, client.door) {
            (Some(certificate), Door::Mtls) => {
                let key = self.imported.lock().get(&certificate.serial).cloned();
                let key =
                    key.or_else(|| (certificate.common_name == client.client_id).then_some(client.client_id));
                match key {
                    None => Err(wrong),
                    Some(_) if self.revoked.lock().contains(&certificate.serial) => Err(Refusal::Revoked),
                    Some(key) if self.suspended.lock().contains(&key) => Err(Refusal::Suspended),
                    Some(key) => DeviceKey::new(key).map(|key| self.admitted(key)).map_err(|_| wrong),
                }
            }
            (None, Door::Plain) if self.certified.lock().contains(&client.client_id) => {
                Err(Refusal::NotAllowedPlain)
            }
            (None, Door::Plain) => DeviceKey::new(client.client_id).map(Admitted::fully).map_err(|_| wrong),
            _ => Err(Refusal::UnknownCertificate),
        };
        let before = self.before_answer.lock().take();
        if let Some(before) = before {
            before().await;
        }
        answer
    }

    async fn connected(&self, key: &DeviceKey, connection: ConnectionNumber) {
        self.note(Event::Connected(key.to_string(), connection.0));
    }

    async fn disconnected(&self, key: &DeviceKey, connection: ConnectionNumber) {
        self.note(Event::Disconnected(key.to_string(), connection.0));
    }

    async fn message(&self, message: InboundMessage) -> Result<(), PortError> {
        self.holding.notify_one();
        let mut durable = self.durable.subscribe();
        let _ = durable.wait_for(|open| *open).await;
        if self.failing.load(Ordering::SeqCst) {
            return Err(PortError::new("ingest", PortErrorKind::Unavailable));
        }
        self.note(Event::Message {
            key: message.key.to_string(),
            topic: message.topic,
            payload: String::from_utf8_lossy(&message.payload).into_owned(),
            qos: message.qos,
            plain: message.door == Door::Plain,
        });
        Ok(())
    }

    fn offer(&self, message: InboundMessage) -> Offered {
        if !self.taking.load(Ordering::SeqCst) {
            return Offered::Later(message);
        }
        self.note(Event::Message {
            key: message.key.to_string(),
            topic: message.topic,
            payload: String::from_utf8_lossy(&message.payload).into_owned(),
            qos: message.qos,
            plain: message.door == Door::Plain,
        });
        let full = self.full.load(Ordering::SeqCst);
        let mut durable = self.durable.subscribe();
        Offered::Taken(Box::pin(async move {
            let _ = durable.wait_for(|open| *open).await;
            if full { Err(PortError::new("append", PortErrorKind::Full)) } else { Ok(()) }
        }))
    }
}
