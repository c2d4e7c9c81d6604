//! One-time codes of registration, and the wrong tries of devices.

use argosy_domain::Timestamp;
use argosy_domain::model::{
    CodeFate, NewRegistrationCode, RegistrationCode, RegistrationCodeState, WrongTries,
};
use argosy_domain::page::{Page, PageRequest};
use argosy_domain::ports::{
    CodeInsert, PortError, PortErrorKind, PortResult, RegistrationCodeFilter, RegistrationRead,
    RegistrationWrite,
};
use argosy_proto::{DeviceId, DeviceKey, GroupId, ProductId, RegionId, RegistrationCodeId, UserId};
use async_trait::async_trait;

use super::query::{Conditions, Query};
use super::row::{Columns, Decoded};
use super::session::{Order, Session};

const CODE: &str = "SELECT id, mac, product_id, group_id, region_id, device_name, created_by, actor, created_at, \
    expires_at, fate, ended_at, ended_by, used_by_id, used_by_key FROM registration_codes";

/// The words of `fate`.
const UNTOUCHED: &str = "untouched";
const USED: &str = "used";
const REVOKED: &str = "revoked";

fn code(row: &mut Columns<'_>) -> Decoded<RegistrationCode> {
    let id = RegistrationCodeId(row.int()?);
    let spec = NewRegistrationCode {
        mac: row.text()?,
        product: ProductId(row.int()?),
        group: GroupId(row.int()?),
        region: RegionId(row.int()?),
        device_name: row.opt_text()?,
        created_by: UserId(row.int()?),
        actor: row.text()?,
        created_at: row.time()?,
        expires_at: row.time()?,
    };
    let fate = match row.text()?.as_str() {
        USED => {
            let at = row.time()?;
            row.opt_text()?;
            CodeFate::Used { at, device: DeviceId(row.int()?), key: row.key()? }
        }
        REVOKED => CodeFate::Revoked { at: row.time()?, by: row.text()? },
        _ => CodeFate::Untouched,
    };
    Ok(RegistrationCode { id, spec, fate })
}

fn tries(row: &mut Columns<'_>) -> Decoded<WrongTries> {
    Ok(WrongTries { count: row.number()?, last_at: row.time()? })
}

/// Codes in this state at `now`.
fn in_state(state: RegistrationCodeState, now: Timestamp) -> Query {
    match state {
        RegistrationCodeState::Open => Query::new("fate = ? AND expires_at > ?").bind(UNTOUCHED).bind(now),
        RegistrationCodeState::Expired => {
            Query::new("fate = ? AND expires_at <= ?").bind(UNTOUCHED).bind(now)
        }
        RegistrationCodeState::Used => Query::new("fate = ?").bind(USED),
        RegistrationCodeState::Revoked => Query::new("fate = ?").bind(REVOKED),
    }
}

#[async_trait]
impl RegistrationRead for Session {
    async fn registration_code(&mut self, id: RegistrationCodeId) -> PortResult<Option<RegistrationCode>> {
        let query = Query::new(format!("{CODE} WHERE id = ?")).bind(id.get());
        self.one("registration_code", query, code).await
    }

    async fn registration_codes(
        &mut self,
        filter: &RegistrationCodeFilter,
        now: Timestamp,
        page: &PageRequest,
    ) -> PortResult<Page<RegistrationCode>> {
        const OPERATION: &str = "registration_codes";
        let mut conditions = Conditions::default();
        if let Some(state) = filter.state {
            conditions.and(in_state(state, now));
        }
        if let Some(product) = filter.product {
            conditions.and(Query::new("product_id = ?").bind(product.get()));
        }
        if let Some(before) = Order::NewestFirst.after(OPERATION, "id", page)? {
            conditions.and(before);
        }
        let mut query = Query::new(CODE);
        query.append(conditions.clause()).append(Order::NewestFirst.limit("id", page));
        self.page(OPERATION, page, query, code, |c| c.id.get()).await
    }

    async fn registration_code_by_mac(
        &mut self,
        mac: &str,
        now: Timestamp,
    ) -> PortResult<Option<RegistrationCode>> {
        let query = Query::new(format!(
            "{CODE} WHERE mac = ? ORDER BY CASE WHEN fate = ? AND expires_at > ? THEN 0 ELSE 1 END, id DESC LIMIT 1"
        ));
        self.one("registration_code_by_mac", query.bind(mac).bind(UNTOUCHED).bind(now), code).await
    }

    async fn open_registration_codes(&mut self, now: Timestamp) -> PortResult<u64> {
        let mut query = Query::new("SELECT COUNT(*) FROM registration_codes WHERE live_mac IS NOT NULL AND ");
        query.append(in_state(RegistrationCodeState::Open, now));
        self.count("open_registration_codes", query).await
    }

    async fn wrong_tries(&mut self, device: DeviceId) -> PortResult<Option<WrongTries>> {
        let query = Query::new("SELECT wrong, last_at FROM registration_tries WHERE device_id = ?");
        self.one("wrong_tries", query.bind(device.get()), tries).await
    }
}

#[async_trait]
impl RegistrationWrite for Session {
    async fn insert_registration_code(
        &mut self,
        new: &NewRegistrationCode,
        most: u32,
    ) -> PortResult<CodeInsert> {
        const OPERATION: &str = "insert_registration_code";
        let expire =
            "UPDATE registration_codes SET live_mac = NULL WHERE live_mac IS NOT NULL AND expires_at <= ?";
        self.run(OPERATION, Query::new(expire).bind(new.created_at)).await?;
        // Looked up first: after a broken constraint the unit of work would be of no use.
        let taken = Query::new("SELECT COUNT(*) FROM registration_codes WHERE live_mac = ?");
        if self.count(OPERATION, taken.bind(new.mac.as_str())).await? > 0 {
            return Ok(CodeInsert::Taken);
        }
        let query = Query::new(
            "INSERT INTO registration_codes (mac, live_mac, product_id, group_id, region_id, device_name, created_by, \
             actor, created_at, expires_at, fate) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? \
             FROM (SELECT COUNT(*) AS n FROM registration_codes WHERE live_mac IS NOT NULL) AS o WHERE o.n < ?",
        )
        .bind(new.mac.as_str())
        .bind(new.mac.as_str())
        .bind(new.product.get())
        .bind(new.group.get())
        .bind(new.region.get())
        .bind(new.device_name.clone())
        .bind(new.created_by.get())
        .bind(new.actor.as_str())
        .bind(new.created_at)
        .bind(new.expires_at)
        .bind(UNTOUCHED)
        .bind(i64::from(most));
        let id = self.insert(OPERATION, query).await?;
        Ok(id.map_or(CodeInsert::Full, |id| CodeInsert::Kept(RegistrationCodeId(id))))
    }

    async fn use_registration_code(
        &mut self,
        id: RegistrationCodeId,
        device: DeviceId,
        key: &DeviceKey,
        now: Timestamp,
    ) -> PortResult<bool> {
        let query = Query::new(
            "UPDATE registration_codes SET fate = ?, live_mac = NULL, ended_at = ?, used_by_id = ?, used_by_key = ? \
             WHERE id = ? AND fate = ? AND expires_at > ?",
        )
        .bind(USED)
        .bind(now)
        .bind(device.get())
        .bind(key.as_str())
        .bind(id.get())
        .bind(UNTOUCHED)
        .bind(now);
        Ok(self.run("use_registration_code", query).await? > 0)
    }

    async fn revoke_registration_code(
        &mut self,
        id: RegistrationCodeId,
        by: &str,
        now: Timestamp,
    ) -> PortResult<bool> {
        let query = Query::new(
            "UPDATE registration_codes SET fate = ?, live_mac = NULL, ended_at = ?, ended_by = ? \
             WHERE id = ? AND fate = ? AND expires_at > ?",
        )
        .bind(REVOKED)
        .bind(now)
        .bind(by)
        .bind(id.get())
        .bind(UNTOUCHED)
        .bind(now);
        Ok(self.run("revoke_registration_code", query).await? > 0)
    }

    async fn save_wrong_tries(
        &mut self,
        device: DeviceId,
        read: Option<WrongTries>,
        tries: WrongTries,
    ) -> PortResult<bool> {
        const OPERATION: &str = "save_wrong_tries";
        let count = i64::from(tries.count);
        let Some(read) = read else {
            // A second first one is refused by the key below; asked before, since that would spoil the unit of work.
            if self.wrong_tries(device).await?.is_some() {
                return Ok(false);
            }
            let query = "INSERT INTO registration_tries (device_id, wrong, last_at) VALUES (?, ?, ?)";
            let query = Query::new(query).bind(device.get()).bind(count).bind(tries.last_at);
            return match self.run(OPERATION, query).await {
                // Another process was faster: the whole unit of work is to be done again.
                Err(error) if error.kind == PortErrorKind::Conflict => {
                    Err(PortError::new(OPERATION, PortErrorKind::Unavailable).with_source(error))
                }
                done => done.map(|rows| rows > 0),
            };
        };
        let query = Query::new(
            "UPDATE registration_tries SET wrong = ?, last_at = ? WHERE device_id = ? AND wrong = ? AND last_at = ?",
        )
        .bind(count)
        .bind(tries.last_at)
        .bind(device.get())
        .bind(i64::from(read.count))
        .bind(read.last_at);
        Ok(self.run(OPERATION, query).await? > 0)
    }

    async fn clear_wrong_tries(&mut self, device: DeviceId) -> PortResult<()> {
        let query = Query::new("DELETE FROM registration_tries WHERE device_id = ?").bind(device.get());
        self.run("clear_wrong_tries", query).await.map(drop)
    }

    async fn delete_registration_history(&mut self, before: Timestamp) -> PortResult<u64> {
        const OPERATION: &str = "delete_registration_history";
        let query = Query::new("DELETE FROM registration_tries WHERE last_at < ?").bind(before);
        self.run(OPERATION, query).await?;
        let query = Query::new("DELETE FROM registration_codes WHERE expires_at < ?").bind(before);
        self.run(OPERATION, query).await
    }
}
