//! A device sends a code: it is judged in one unit of work, and the device is told after its commit.

use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::model::{
    CodeFate, Device, DevicePatch, DeviceState, RegistrationCode, RegistrationCodeState, WrongTries,
    checked_name,
};
use argosy_domain::ports::{PortError, PortErrorKind, PortResult, ReadSession, UnitOfWork};
use argosy_proto::message::{Regist, RegistAck, RegistStatus};
use argosy_proto::{DeviceId, DeviceKey, DeviceTime, DownMessage, UserId};
use serde_json::json;

use super::key::typed_code;
use crate::dispatch::chain;
use crate::metrics::add;
use crate::usecase::{Actor, audit};
use crate::{Change, Engine};

/// The device that used a code may ask again for so long: its answer may have been lost.
const ASKED_AGAIN: Duration = Duration::from_secs(3600);
/// How often a judgement that met somebody faster is begun again.
const ROUNDS: usize = 5;
/// The answer is of no use later.
const ANSWER_EXPIRES_S: u32 = 60;
/// When a device may ask a held server again; nobody knows when it resumes.
const HELD_S: u32 = 300;

/// What a device is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is registered, under this name.
    Registered { device: DeviceId, name: String },
    /// It had been registered, with this very code.
    Again { name: String },
    /// It had been registered before.
    AlreadyRegistered,
    /// The code is wrong; so many further tries are left.
    Wrong { left: u32, locked_s: u32 },
    /// The code was right, too late.
    Expired { left: u32, locked_s: u32 },
    /// Too many wrong codes.
    Locked { seconds: u32 },
    /// The server is held: it registers nobody now.
    Held,
}

/// Why a code does not register the device; for audit and log, never for the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    Unknown,
    Expired,
    Used,
    Revoked,
    OtherProduct,
    PlaceGone,
}

impl Reason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "no such code",
            Self::Expired => "the code has expired",
            Self::Used => "the code was used by another device",
            Self::Revoked => "the code was revoked",
            Self::OtherProduct => "the code is for another product",
            Self::PlaceGone => "the code's group or region was deleted",
        }
    }
}

impl Engine {
    /// Judges a device's code and answers it. Returns when the judgement is durable.
    ///
    /// # Errors
    /// The registry cannot be written, or too many wait in line: the message is not acknowledged, and the device sends it again.
    pub(crate) async fn on_regist(&self, key: &DeviceKey, regist: &Regist) -> PortResult<()> {
        let verdict = match self.judge(key, regist).await {
            Ok(Some(verdict)) => verdict,
            // Not a device of ours (any more), or suspended since it connected.
            Ok(None) => return Ok(()),
            Err(error) => {
                tracing::warn!(device = %key, error = %chain(&error), "a registration code of {key} could not be judged; it is sent again");
                return Err(error);
            }
        };
        if let Verdict::Registered { device, name } = &verdict {
            tracing::info!(device = %key, name, "device {key} was registered as {name}");
            self.takes_part(key, *device);
            self.wake();
            self.feed.tell(Change::Devices { ids: [*device].into() });
        }
        self.answer_regist(key, &verdict).await;
        Ok(())
    }

    async fn judge(&self, key: &DeviceKey, regist: &Regist) -> PortResult<Option<Verdict>> {
        if self.is_held() {
            return Ok(Some(Verdict::Held));
        }
        let code = typed_code(regist.auth_key.expose());
        let mac = code.map(|code| self.registration.key.mac(&code));
        // What needs no judging does not stand in line, so that a device that is locked takes nobody's place.
        let mut read = self.ports.registry.read().await?;
        let Some(device) = read.device_by_key(key).await? else { return Ok(None) };
        if let Some(verdict) = self.known_answer(&mut *read, &device, mac.as_deref()).await? {
            return Ok(verdict);
        }
        drop(read);
        let crowded = |_| PortError::new("wait for a registration's turn", PortErrorKind::Unavailable);
        self.registration.pace.turn().await.map_err(crowded)?;
        for _ in 0..ROUNDS {
            let mut work = self.ports.registry.begin("registration").await?;
            // Whatever was true in line may not be any more.
            let Some(device) = work.device_by_key(key).await? else { return Ok(None) };
            if let Some(verdict) = self.known_answer(&mut *work, &device, mac.as_deref()).await? {
                return Ok(verdict);
            }
            if let Some(verdict) = self.try_code(&mut *work, &device, mac.as_deref(), regist).await? {
                work.commit().await?;
                return Ok(Some(verdict));
            }
        }
        Err(PortError::new("judge a registration code", PortErrorKind::Unavailable))
    }

    /// The answer that does not depend on whether the code is right: of a device that is registered or locked. The inner `None`:
    /// it is told nothing.
    async fn known_answer<R: ReadSession + ?Sized>(
        &self,
        read: &mut R,
        device: &Device,
        mac: Option<&str>,
    ) -> PortResult<Option<Option<Verdict>>> {
        let now = self.now();
        match device.spec.state {
            DeviceState::Unregistered => {}
            DeviceState::Suspended => return Ok(Some(None)),
            DeviceState::Active => {
                let code = match mac {
                    Some(mac) => read.registration_code_by_mac(mac, now).await?,
                    None => None,
                };
                let own = code.is_some_and(|code| used_by(&code, device.id, now));
                let verdict = if own {
                    Verdict::Again { name: device.spec.name.clone() }
                } else {
                    Verdict::AlreadyRegistered
                };
                return Ok(Some(Some(verdict)));
            }
        }
        let tries = read.wrong_tries(device.id).await?;
        let until = tries.and_then(|tries| tries.locked_until(self.registration.lock, now));
        Ok(until.map(|until| Some(Verdict::Locked { seconds: seconds(until, now) })))
    }

    /// `None`: somebody was faster with what was read here; the unit of work is given up and begun again.
    async fn try_code(
        &self,
        work: &mut dyn UnitOfWork,
        device: &Device,
        mac: Option<&str>,
        regist: &Regist,
    ) -> PortResult<Option<Verdict>> {
        let now = self.now();
        let found = match mac {
            Some(mac) => work.registration_code_by_mac(mac, now).await?,
            None => None,
        };
        let code = match fitting(work, found, device, now).await? {
            Ok(code) => code,
            Err(reason) => return self.wrong(work, device, reason, now).await,
        };
        if !work.use_registration_code(code.id, device.id, &device.spec.key, now).await? {
            return Ok(None);
        }
        let name = name_for(&code, device, &regist.device_name);
        let patch = DevicePatch {
            name: Some(name.clone()),
            group: Some(Some(code.spec.group)),
            region: Some(Some(code.spec.region)),
            attributes: None,
            state: Some(DeviceState::Active),
        };
        if !work.patch_device(device.id, &patch, now).await? {
            return Ok(None);
        }
        work.clear_wrong_tries(device.id).await?;
        let detail = json!({
            "registration_code": code.id.get(), "made_by": code.spec.actor, "name": name,
            "product_id": code.spec.product.get(), "group_id": code.spec.group.get(), "region_id": code.spec.region.get(),
        });
        let key = &device.spec.key;
        audit(work, &itself(key), "device.register", format!("device:{key}"), detail, now).await?;
        Ok(Some(Verdict::Registered { device: device.id, name }))
    }

    async fn wrong(
        &self,
        work: &mut dyn UnitOfWork,
        device: &Device,
        reason: Reason,
        now: Timestamp,
    ) -> PortResult<Option<Verdict>> {
        let rule = self.registration.lock;
        let before = work.wrong_tries(device.id).await?;
        let tries = WrongTries::one_more(before, rule, now);
        if !work.save_wrong_tries(device.id, before, tries).await? {
            return Ok(None);
        }
        let locked = tries.locked_until(rule, now);
        let key = &device.spec.key;
        let detail =
            json!({ "reason": reason.as_str(), "wrong_tries": tries.count, "locked": locked.is_some() });
        audit(work, &itself(key), "device.register_refused", format!("device:{key}"), detail, now).await?;
        tracing::info!(
            device = %key, wrong = tries.count, locked = locked.is_some(),
            "device {key} sent a registration code that does not fit: {}", reason.as_str()
        );
        let (left, locked_s) =
            (rule.tries.saturating_sub(tries.count), locked.map_or(0, |until| seconds(until, now)));
        Ok(Some(match reason {
            Reason::Expired => Verdict::Expired { left, locked_s },
            _ => Verdict::Wrong { left, locked_s },
        }))
    }

    /// The live connection gets every right, and what waits for the device is sent.
    pub(crate) fn takes_part(&self, key: &DeviceKey, device: DeviceId) {
        self.briefs.forget([key]);
        self.presence.raised(key);
        if let Some(link) = self.link() {
            link.raise_rights(key);
        }
        self.ready.add([device]);
    }

    async fn answer_regist(&self, key: &DeviceKey, verdict: &Verdict) {
        let counter = match verdict {
            Verdict::Registered { .. } => &self.metrics.registrations_total,
            Verdict::Again { .. } | Verdict::AlreadyRegistered => &self.metrics.registrations_repeated_total,
            Verdict::Wrong { .. } | Verdict::Expired { .. } => &self.metrics.registrations_refused_total,
            Verdict::Locked { .. } | Verdict::Held => &self.metrics.registrations_locked_total,
        };
        add(counter, 1);
        let Some(link) = self.link() else { return };
        let answer = DownMessage::RegistAck(ack(verdict, self.now()));
        let Ok(payload) = answer.encode() else { return };
        let topic = answer.topic().topic(key);
        if let Err(error) = link.publish(key, topic, payload.into(), ANSWER_EXPIRES_S).await {
            tracing::debug!(device = %key, %error, "the registration of {key} was not answered; it asks again");
        }
    }
}

/// The code, if it registers this device.
async fn fitting(
    work: &mut dyn UnitOfWork,
    found: Option<RegistrationCode>,
    device: &Device,
    now: Timestamp,
) -> PortResult<Result<RegistrationCode, Reason>> {
    let Some(code) = found else { return Ok(Err(Reason::Unknown)) };
    if code.spec.product != device.spec.product {
        return Ok(Err(Reason::OtherProduct));
    }
    match code.state(now) {
        RegistrationCodeState::Open => {}
        RegistrationCodeState::Expired => return Ok(Err(Reason::Expired)),
        RegistrationCodeState::Used => return Ok(Err(Reason::Used)),
        RegistrationCodeState::Revoked => return Ok(Err(Reason::Revoked)),
    }
    let there =
        work.group(code.spec.group).await?.is_some() && work.region(code.spec.region).await?.is_some();
    Ok(if there { Ok(code) } else { Err(Reason::PlaceGone) })
}

/// The name on the code; else the one that an operator gave to the device; else what the device calls itself; else its key.
fn name_for(code: &RegistrationCode, device: &Device, own: &str) -> String {
    if let Some(name) = &code.spec.device_name {
        return name.clone();
    }
    if device.spec.name != device.spec.key.as_str() {
        return device.spec.name.clone();
    }
    checked_name("device_name", own).unwrap_or_else(|_| device.spec.name.clone())
}

fn used_by(code: &RegistrationCode, device: DeviceId, now: Timestamp) -> bool {
    matches!(code.fate, CodeFate::Used { at, device: by, .. } if by == device && now < at + ASKED_AGAIN)
}

/// Seconds until a lock ends, never none.
fn seconds(until: Timestamp, now: Timestamp) -> u32 {
    u32::try_from(until.since(now).as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}

/// A device, as the audit trail names who did something.
fn itself(key: &DeviceKey) -> Actor {
    Actor { name: format!("device:{key}"), user: UserId(0), ..Actor::system() }
}

fn ack(verdict: &Verdict, now: Timestamp) -> RegistAck {
    let locked = |seconds: u32| {
        (format!("locked after too many wrong codes; try again in {seconds} s"), Some(seconds))
    };
    let wrong = |what: &str, left: u32, locked_s: u32| match locked_s {
        0 if left == 1 => (format!("{what}; 1 more try before this device is locked for a while"), None),
        0 => (format!("{what}; {left} more tries before this device is locked for a while"), None),
        seconds => (format!("{what}; this device is locked for {seconds} s"), Some(seconds)),
    };
    let (status, (message, retry_after_s)) = match verdict {
        Verdict::Registered { name, .. } | Verdict::Again { name } => {
            (RegistStatus::Ok, (format!("registered as {name}"), None))
        }
        Verdict::AlreadyRegistered => {
            (RegistStatus::AlreadyRegistered, ("this device is registered already".to_owned(), None))
        }
        Verdict::Wrong { left, locked_s } => {
            (RegistStatus::AuthFailed, wrong("the code is wrong", *left, *locked_s))
        }
        Verdict::Expired { left, locked_s } => {
            (RegistStatus::Expired, wrong("the code has expired: ask for a new one", *left, *locked_s))
        }
        Verdict::Locked { seconds } => (RegistStatus::Locked, locked(*seconds)),
        Verdict::Held => {
            let text = "the server takes no registrations now; try again later".to_owned();
            (RegistStatus::Locked, (text, Some(HELD_S)))
        }
    };
    let timestamp = DeviceTime::from_unix_ms(now.as_millis());
    RegistAck { status, timestamp, message: Some(message), retry_after_s }
}
