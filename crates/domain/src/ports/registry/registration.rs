//! One-time codes of registration, and the wrong tries of devices.

use argosy_proto::{DeviceId, DeviceKey, ProductId, RegistrationCodeId};
use async_trait::async_trait;

use crate::Timestamp;
use crate::model::{NewRegistrationCode, RegistrationCode, RegistrationCodeState, WrongTries};
use crate::page::{Page, PageRequest};
use crate::ports::PortResult;

/// Which codes: every field that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistrationCodeFilter {
    /// In this state at the time of the call.
    pub state: Option<RegistrationCodeState>,
    /// For devices of this product.
    pub product: Option<ProductId>,
}

/// What became of a new code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeInsert {
    /// It is kept.
    Kept(RegistrationCodeId),
    /// The same code is open already: draw another.
    Taken,
    /// As many codes are open as may be.
    Full,
}

/// Reads of registration.
#[async_trait]
pub trait RegistrationRead {
    /// One code.
    async fn registration_code(&mut self, id: RegistrationCodeId) -> PortResult<Option<RegistrationCode>>;
    /// Codes, newest first (descending id).
    async fn registration_codes(
        &mut self,
        filter: &RegistrationCodeFilter,
        now: Timestamp,
        page: &PageRequest,
    ) -> PortResult<Page<RegistrationCode>>;
    /// The code with this keyed hash: the one that is open at `now`, else the one that was made last.
    async fn registration_code_by_mac(
        &mut self,
        mac: &str,
        now: Timestamp,
    ) -> PortResult<Option<RegistrationCode>>;
    /// How many codes are open.
    async fn open_registration_codes(&mut self, now: Timestamp) -> PortResult<u64>;
    /// The wrong tries of a device.
    async fn wrong_tries(&mut self, device: DeviceId) -> PortResult<Option<WrongTries>>;
}

/// Writes of registration. Every one that must not be done twice is a conditional write.
#[async_trait]
pub trait RegistrationWrite {
    /// Keeps a code, unless the same one is open at `new.created_at`, or `most` are.
    async fn insert_registration_code(
        &mut self,
        new: &NewRegistrationCode,
        most: u32,
    ) -> PortResult<CodeInsert>;
    /// Uses a code up for a device if it is open at `now`; `false`: it is not (any more).
    async fn use_registration_code(
        &mut self,
        id: RegistrationCodeId,
        device: DeviceId,
        key: &DeviceKey,
        now: Timestamp,
    ) -> PortResult<bool>;
    /// Takes a code back if it is open at `now`; `false`: it is not (any more).
    async fn revoke_registration_code(
        &mut self,
        id: RegistrationCodeId,
        by: &str,
        now: Timestamp,
    ) -> PortResult<bool>;
    /// Writes a device's wrong tries if they are still `read`; `false`: somebody was faster, read again.
    async fn save_wrong_tries(
        &mut self,
        device: DeviceId,
        read: Option<WrongTries>,
        tries: WrongTries,
    ) -> PortResult<bool>;
    /// Forgets a device's wrong tries.
    async fn clear_wrong_tries(&mut self, device: DeviceId) -> PortResult<()>;
    /// Removes codes that could not be used any more before `before`, and wrong tries older than it; returns how many codes.
    async fn delete_registration_history(&mut self, before: Timestamp) -> PortResult<u64>;
}
