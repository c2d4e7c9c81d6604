//! One-time codes of registration, and the wrong tries of devices.

use argosy_proto::{DeviceId, DeviceKey, RegistrationCodeId};
use async_trait::async_trait;

use super::Session;
use super::table::{Order, page};
use crate::Timestamp;
use crate::model::{CodeFate, NewRegistrationCode, RegistrationCode, RegistrationCodeState, WrongTries};
use crate::page::{Page, PageRequest};
use crate::ports::{CodeInsert, PortResult, RegistrationCodeFilter, RegistrationRead, RegistrationWrite};

impl Session {
    /// Ends a code if it is open.
    fn end_code(&mut self, id: RegistrationCodeId, now: Timestamp, fate: CodeFate) -> bool {
        match self.state.codes.get_mut(&id) {
            Some(code) if code.state(now) == RegistrationCodeState::Open => {
                code.fate = fate;
                true
            }
            _ => false,
        }
    }
}

#[async_trait]
impl RegistrationRead for Session {
    async fn registration_code(&mut self, id: RegistrationCodeId) -> PortResult<Option<RegistrationCode>> {
        Ok(self.state.codes.get(&id).cloned())
    }

    async fn registration_codes(
        &mut self,
        filter: &RegistrationCodeFilter,
        now: Timestamp,
        request: &PageRequest,
    ) -> PortResult<Page<RegistrationCode>> {
        let rows = self.state.codes.values().filter(|code| {
            filter.state.is_none_or(|s| code.state(now) == s)
                && filter.product.is_none_or(|p| code.spec.product == p)
        });
        page("registration_codes", rows.map(|c| (c.id.get(), c.clone())), Order::NewestFirst, request)
    }

    async fn registration_code_by_mac(
        &mut self,
        mac: &str,
        now: Timestamp,
    ) -> PortResult<Option<RegistrationCode>> {
        let mut found = None;
        for code in self.state.codes.values().filter(|c| c.spec.mac == mac) {
            if code.state(now) == RegistrationCodeState::Open {
                return Ok(Some(code.clone()));
            }
            found = Some(code.clone());
        }
        Ok(found)
    }

    async fn open_registration_codes(&mut self, now: Timestamp) -> PortResult<u64> {
        Ok(self.state.codes.values().filter(|c| c.state(now) == RegistrationCodeState::Open).count() as u64)
    }

    async fn wrong_tries(&mut self, device: DeviceId) -> PortResult<Option<WrongTries>> {
        Ok(self.state.wrong_tries.get(&device).copied())
    }
}

#[async_trait]
impl RegistrationWrite for Session {
    async fn insert_registration_code(
        &mut self,
        new: &NewRegistrationCode,
        most: u32,
    ) -> PortResult<CodeInsert> {
        let open = self.state.codes.values();
        let open: Vec<_> = open.filter(|c| c.state(new.created_at) == RegistrationCodeState::Open).collect();
        if open.iter().any(|c| c.spec.mac == new.mac) {
            return Ok(CodeInsert::Taken);
        }
        if open.len() >= most as usize {
            return Ok(CodeInsert::Full);
        }
        let id = RegistrationCodeId(self.state.new_id());
        let code = RegistrationCode { id, spec: new.clone(), fate: CodeFate::Untouched };
        self.state.codes.insert(id, code);
        Ok(CodeInsert::Kept(id))
    }

    async fn use_registration_code(
        &mut self,
        id: RegistrationCodeId,
        device: DeviceId,
        key: &DeviceKey,
        now: Timestamp,
    ) -> PortResult<bool> {
        Ok(self.end_code(id, now, CodeFate::Used { at: now, device, key: key.clone() }))
    }

    async fn revoke_registration_code(
        &mut self,
        id: RegistrationCodeId,
        by: &str,
        now: Timestamp,
    ) -> PortResult<bool> {
        Ok(self.end_code(id, now, CodeFate::Revoked { at: now, by: by.to_owned() }))
    }

    async fn save_wrong_tries(
        &mut self,
        device: DeviceId,
        read: Option<WrongTries>,
        tries: WrongTries,
    ) -> PortResult<bool> {
        if self.state.wrong_tries.get(&device).copied() != read {
            return Ok(false);
        }
        self.state.wrong_tries.insert(device, tries);
        Ok(true)
    }

    async fn clear_wrong_tries(&mut self, device: DeviceId) -> PortResult<()> {
        self.state.wrong_tries.remove(&device);
        Ok(())
    }

    async fn delete_registration_history(&mut self, before: Timestamp) -> PortResult<u64> {
        let count = self.state.codes.len();
        self.state.codes.retain(|_, code| code.spec.expires_at >= before);
        self.state.wrong_tries.retain(|_, tries| tries.last_at >= before);
        Ok((count - self.state.codes.len()) as u64)
    }
}
