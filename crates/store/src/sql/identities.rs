//! Renewals, revocations, imported identities, numbers of CRLs.

use argosy_domain::Timestamp;
use argosy_domain::model::{
    Admission, CertificateName, CertificateState, ImportedIdentity, Renewal, Revocation,
};
use argosy_domain::page::{Page, PageRequest};
use argosy_domain::ports::{IdentitiesRead, IdentitiesWrite, PortError, PortErrorKind, PortResult};
use argosy_proto::DeviceId;
use async_trait::async_trait;
use aws_lc_rs::digest;

use super::batch::Batch;
use super::dialect::{Column, Existing, int, text};
use super::query::Query;
use super::row::{Columns, Decoded};
use super::session::{Order, Session};

const RENEWAL: &str = "SELECT device_id, device_key, public_key, asked_issuer, asked_serial, issuer, serial, \
     certificate_pem, chain_pem, created_at, requested_at FROM renewals";

/// A renewal, and its public key as it is stored.
fn renewal(row: &mut Columns<'_>) -> Decoded<(Renewal, String)> {
    let (device, key, public_key) = (DeviceId(row.int()?), row.key()?, row.text()?);
    let renewal = Renewal {
        device,
        key,
        public_key: Vec::new(),
        asked_with: CertificateName { issuer: row.text()?, serial: row.text()? },
        issued: CertificateName { issuer: row.text()?, serial: row.text()? },
        certificate_pem: row.text()?,
        chain_pem: row.text()?,
        created_at: row.time()?,
        requested_at: row.time()?,
    };
    Ok((renewal, public_key))
}

const REVOCATION: &str =
    "SELECT id, issuer, serial, device_key, reason, revoked_at, not_after FROM revocations";

fn revocation(row: &mut Columns<'_>) -> Decoded<(i64, Revocation)> {
    let id = row.int()?;
    let certificate = CertificateName { issuer: row.text()?, serial: row.text()? };
    let revocation = Revocation {
        certificate,
        key: row.key()?,
        reason: row.word()?,
        revoked_at: row.time()?,
        not_after: row.opt_time()?,
    };
    Ok((id, revocation))
}

const REVOKED: &[Column] = &[
    text("issuer"),
    text("serial"),
    text("device_key"),
    text("reason"),
    int("revoked_at"),
    int("not_after"),
];

const IMPORTED: &[Column] =
    &[text("issuer"), text("kind"), text("value"), int("device_id"), int("created_at"), int("retires_at")];

fn imported(row: &mut Columns<'_>) -> Decoded<ImportedIdentity> {
    Ok(ImportedIdentity {
        issuer: row.text()?,
        by: row.word()?,
        value: row.text()?,
        device: DeviceId(row.int()?),
        created_at: row.time()?,
        retires_at: row.opt_time()?,
    })
}

fn imported_admission(row: &mut Columns<'_>) -> Decoded<Admission> {
    let (device, key, device_state, retires_at) =
        (DeviceId(row.int()?), row.key()?, row.word()?, row.opt_time()?);
    let revoked = row.int()? > 0;
    let certificate_state = if revoked { CertificateState::Revoked } else { CertificateState::Active };
    Ok(Admission { device, key, device_state, certificate_state, retires_at, expired_until: None })
}

/// A key can be longer than an index takes: its hash stands for it.
fn key_hash(public_key: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, public_key))
}

impl Session {
    async fn renewals_where(
        &mut self,
        operation: &'static str,
        condition: Query,
    ) -> PortResult<Vec<Renewal>> {
        let mut query = Query::new(RENEWAL);
        query.append(condition);
        let rows = self.all(operation, query, renewal).await?;
        rows.into_iter()
            .map(|(renewal, public_key)| match hex::decode(public_key) {
                Ok(public_key) => Ok(Renewal { public_key, ..renewal }),
                Err(error) => Err(PortError::new(operation, PortErrorKind::Internal).with_source(error)),
            })
            .collect()
    }
}

#[async_trait]
impl IdentitiesRead for Session {
    async fn imported_admission(
        &mut self,
        certificate: &CertificateName,
        common_name: &str,
    ) -> PortResult<Option<Admission>> {
        // 'serial' sorts after 'cn'.
        let query = Query::new(
            "SELECT d.id, d.device_key, d.state, i.retires_at, \
             (SELECT COUNT(*) FROM revocations r WHERE r.issuer = ? AND r.serial = ?) \
             FROM imported_identities i JOIN devices d ON d.id = i.device_id \
             WHERE i.issuer = ? AND ((i.kind = 'serial' AND i.value = ?) OR (i.kind = 'cn' AND i.value = ?)) \
             ORDER BY i.kind DESC LIMIT 1",
        );
        let (issuer, serial) = (certificate.issuer.as_str(), certificate.serial.as_str());
        let query = query.bind(issuer).bind(serial).bind(issuer).bind(serial).bind(common_name);
        self.one("imported_admission", query, imported_admission).await
    }

    async fn imported_identities(&mut self, device: DeviceId) -> PortResult<Vec<ImportedIdentity>> {
        let query = Query::new(
            "SELECT issuer, kind, value, device_id, created_at, retires_at FROM imported_identities \
             WHERE device_id = ? ORDER BY issuer, kind, value",
        );
        self.all("imported_identities", query.bind(device.get()), imported).await
    }

    async fn revocation(&mut self, certificate: &CertificateName) -> PortResult<Option<Revocation>> {
        let query = Query::new(format!("{REVOCATION} WHERE issuer = ? AND serial = ?"))
            .bind(certificate.issuer.as_str())
            .bind(certificate.serial.as_str());
        Ok(self.one("revocation", query, revocation).await?.map(|(_, revocation)| revocation))
    }

    async fn revocations(&mut self, page: &PageRequest) -> PortResult<Page<Revocation>> {
        const OPERATION: &str = "revocations";
        let mut query = Query::new(REVOCATION);
        if let Some(after) = Order::OldestFirst.after(OPERATION, "id", page)? {
            query.push(" WHERE ").append(after);
        }
        query.append(Order::OldestFirst.limit("id", page));
        Ok(self.page(OPERATION, page, query, revocation, |(id, _)| *id).await?.map(|(_, row)| row))
    }

    async fn revocations_of(&mut self, issuer: &str, after: Timestamp) -> PortResult<Vec<Revocation>> {
        let condition = "WHERE issuer = ? AND (not_after IS NULL OR not_after > ?) ORDER BY id";
        let query = Query::new(format!("{REVOCATION} {condition}")).bind(issuer).bind(after);
        let rows = self.all("revocations_of", query, revocation).await?;
        Ok(rows.into_iter().map(|(_, revocation)| revocation).collect())
    }

    async fn renewals_of(&mut self, device: DeviceId) -> PortResult<Vec<Renewal>> {
        let condition = " WHERE device_id = ? ORDER BY requested_at DESC, created_at DESC";
        self.renewals_where("renewals_of", Query::new(condition).bind(device.get())).await
    }

    async fn renewals(&mut self, after: DeviceId, limit: u32) -> PortResult<Vec<Renewal>> {
        const OPERATION: &str = "renewals";
        // The device that the limit falls upon comes whole.
        let last =
            Query::new("SELECT device_id FROM renewals WHERE device_id > ? ORDER BY device_id LIMIT ?")
                .bind(after.get())
                .bind(i64::from(limit.max(1)));
        let Some(last) = self.all(OPERATION, last, |row| row.int()).await?.pop() else {
            return Ok(Vec::new());
        };
        let condition = Query::new(" WHERE device_id > ? AND device_id <= ? ORDER BY device_id, public_key");
        self.renewals_where(OPERATION, condition.bind(after.get()).bind(last)).await
    }

    async fn crl_number(&mut self, issuer: &str) -> PortResult<i64> {
        let query = Query::new("SELECT number FROM crl_numbers WHERE issuer = ?").bind(issuer);
        Ok(self.one("crl_number", query, |row| row.int()).await?.unwrap_or(0))
    }
}

#[async_trait]
impl IdentitiesWrite for Session {
    async fn save_renewal(&mut self, renewal: &Renewal) -> PortResult<()> {
        const OPERATION: &str = "save_renewal";
        let hash = key_hash(&renewal.public_key);
        let delete = Query::new("DELETE FROM renewals WHERE device_id = ? AND key_hash = ?")
            .bind(renewal.device.get())
            .bind(hash.as_str());
        self.run(OPERATION, delete).await?;
        let query = Query::new(
            "INSERT INTO renewals (device_id, key_hash, device_key, public_key, asked_issuer, asked_serial, issuer, \
             serial, certificate_pem, chain_pem, created_at, requested_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(renewal.device.get())
        .bind(hash)
        .bind(renewal.key.as_str())
        .bind(hex::encode(&renewal.public_key))
        .bind(renewal.asked_with.issuer.as_str())
        .bind(renewal.asked_with.serial.as_str())
        .bind(renewal.issued.issuer.as_str())
        .bind(renewal.issued.serial.as_str())
        .bind(renewal.certificate_pem.as_str())
        .bind(renewal.chain_pem.as_str())
        .bind(renewal.created_at)
        .bind(renewal.requested_at);
        self.run(OPERATION, query).await?;
        Ok(())
    }

    async fn delete_renewals(&mut self, device: DeviceId, until: Timestamp) -> PortResult<u64> {
        let query = Query::new("DELETE FROM renewals WHERE device_id = ? AND requested_at <= ?");
        self.run("delete_renewals", query.bind(device.get()).bind(until)).await
    }

    async fn delete_renewal(&mut self, issued: &CertificateName) -> PortResult<bool> {
        let query = Query::new("DELETE FROM renewals WHERE issuer = ? AND serial = ?");
        let query = query.bind(issued.issuer.as_str()).bind(issued.serial.as_str());
        Ok(self.run("delete_renewal", query).await? > 0)
    }

    async fn supersede_certificates(
        &mut self,
        device: DeviceId,
        kept: &CertificateName,
        until: Timestamp,
        retires_at: Timestamp,
    ) -> PortResult<u64> {
        const OPERATION: &str = "supersede_certificates";
        let query = Query::new(
            "UPDATE certificates SET retires_at = ? WHERE device_id = ? AND created_at <= ? \
             AND NOT (issuer = ? AND serial = ?) AND (retires_at IS NULL OR retires_at > ?)",
        )
        .bind(retires_at)
        .bind(device.get())
        .bind(until)
        .bind(kept.issuer.as_str())
        .bind(kept.serial.as_str())
        .bind(retires_at);
        let changed = self.run(OPERATION, query).await?;
        let query = Query::new(
            "UPDATE imported_identities SET retires_at = ? WHERE device_id = ? \
             AND (retires_at IS NULL OR retires_at > ?)",
        )
        .bind(retires_at)
        .bind(device.get())
        .bind(retires_at);
        self.run(OPERATION, query).await?;
        Ok(changed)
    }

    async fn delete_certificate(&mut self, certificate: &CertificateName) -> PortResult<bool> {
        let query = Query::new("DELETE FROM certificates WHERE issuer = ? AND serial = ?");
        let query = query.bind(certificate.issuer.as_str()).bind(certificate.serial.as_str());
        Ok(self.run("delete_certificate", query).await? > 0)
    }

    async fn allow_expired(
        &mut self,
        device: DeviceId,
        serial: &str,
        until: Option<Timestamp>,
    ) -> PortResult<bool> {
        const OPERATION: &str = "allow_expired";
        // Counted first: MySQL counts a row that stays as it is as not concerned.
        let known = Query::new("SELECT COUNT(*) FROM certificates WHERE device_id = ? AND serial = ?");
        if self.count(OPERATION, known.bind(device.get()).bind(serial)).await? == 0 {
            return Ok(false);
        }
        let query =
            Query::new("UPDATE certificates SET expired_until = ? WHERE device_id = ? AND serial = ?")
                .bind(until.map(Timestamp::as_millis))
                .bind(device.get())
                .bind(serial);
        self.run(OPERATION, query).await?;
        Ok(true)
    }

    async fn insert_revocations(&mut self, revocations: &[Revocation]) -> PortResult<()> {
        const OPERATION: &str = "insert_revocations";
        let mut batch = Batch::numbered(self.dialect, REVOKED);
        let mut listed = Batch::new(self.dialect, &[text("issuer"), text("serial")]);
        for revocation in revocations {
            let name = &revocation.certificate;
            batch.row(&[
                name.issuer.as_str().into(),
                name.serial.as_str().into(),
                revocation.key.as_str().into(),
                revocation.reason.as_str().into(),
                revocation.revoked_at.into(),
                revocation.not_after.into(),
            ]);
            listed.row(&[name.issuer.as_str().into(), name.serial.as_str().into()]);
        }
        let statement =
            self.dialect.insert_rows("revocations", batch.columns(), Existing::Keep("issuer, serial"));
        for rows in batch.arguments() {
            self.run(OPERATION, Query::new(statement.clone()).bind(rows)).await?;
        }
        let revoked = [("state", Query::new("?").bind(CertificateState::Revoked.as_str()))];
        let same = ("certificates", "t.issuer = e.issuer AND t.serial = e.serial");
        self.update_all(OPERATION, same, listed, &revoked, Query::default()).await
    }

    async fn insert_imported_identities(&mut self, identities: &[ImportedIdentity]) -> PortResult<()> {
        let mut batch = Batch::numbered(self.dialect, IMPORTED);
        for identity in identities {
            batch.row(&[
                identity.issuer.as_str().into(),
                identity.by.as_str().into(),
                identity.value.as_str().into(),
                identity.device.get().into(),
                identity.created_at.into(),
                identity.retires_at.into(),
            ]);
        }
        self.insert_all("insert_imported_identities", "imported_identities", batch).await
    }

    async fn delete_imported_identity(&mut self, identity: &ImportedIdentity) -> PortResult<bool> {
        let query = Query::new("DELETE FROM imported_identities WHERE issuer = ? AND kind = ? AND value = ?")
            .bind(identity.issuer.as_str())
            .bind(identity.by.as_str())
            .bind(identity.value.as_str());
        Ok(self.run("delete_imported_identity", query).await? > 0)
    }

    async fn next_crl_number(&mut self, issuer: &str, at_least: i64) -> PortResult<i64> {
        const OPERATION: &str = "next_crl_number";
        let last = format!("SELECT number FROM crl_numbers WHERE issuer = ?{}", self.dialect.for_update());
        let last = self.one(OPERATION, Query::new(last).bind(issuer), |row| row.int()).await?;
        let number = last.map_or(1, |last| last + 1).max(at_least);
        let query = match last {
            Some(_) => {
                Query::new("UPDATE crl_numbers SET number = ? WHERE issuer = ?").bind(number).bind(issuer)
            }
            None => {
                Query::new("INSERT INTO crl_numbers (issuer, number) VALUES (?, ?)").bind(issuer).bind(number)
            }
        };
        self.run(OPERATION, query).await?;
        Ok(number)
    }
}
