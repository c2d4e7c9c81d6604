//! Identities that are missing are obtained from Argosy: the key is made here, only a request for a certificate leaves.

use std::num::NonZeroUsize;

use argosy_api::{
    BatchDevice, BatchDevicesRequest, BatchDevicesResponse, IssuedCertificate, MAX_BATCH, PREFIX, Problem,
};
use argosy_proto::DeviceKey;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::http::{CallError, Url, UrlError, call};
use crate::identity::{Identity, IdentityError, IdentityStore};
use crate::net::{Trust, TrustError};

/// Where and how to enrol.
#[derive(Clone)]
pub struct Enrolment {
    /// Argosy's API, such as `http://127.0.0.1:8080`.
    pub api: String,
    /// A bearer token that may register devices.
    pub token: String,
    /// The roots that an `https` API is verified by, PEM; those of the store if absent.
    pub ca_pem: Option<Vec<u8>>,
    /// The product of the devices.
    pub product: String,
    /// Their group.
    pub group: Option<String>,
    /// Their region.
    pub region: Option<String>,
    /// Ask for certificates; without, devices are registered for plain MQTT.
    pub certificates: bool,
}

impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Enrolment")
            .field("api", &self.api)
            .field("product", &self.product)
            .finish_non_exhaustive()
    }
}

/// Devices cannot be enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The API's address is wrong.
    #[error("the API's address is wrong")]
    Api(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer.
    #[error("the call {operation} got no answer")]
    Call {
        /// Which.
        operation: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A refusal.
    #[error("the call {operation} was refused with status {status}: {message}")]
    Refused {
        /// Which.
        operation: String,
        /// The status.
        status: u16,
        /// The server's words.
        message: String,
    },
    /// An answer of another form than expected.
    #[error("the answer to {operation} is not understood")]
    Answer {
        /// Which.
        operation: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A key cannot be made.
    #[error("a key or a certificate request cannot be made")]
    Key(#[source] rcgen::Error),
    /// Identities cannot be kept.
    #[error(transparent)]
    Store(#[from] IdentityError),
}

struct Client {
    base: String,
    token: String,
    trust: Option<Trust>,
}

impl Client {
    fn new(enrolment: &Enrolment, store: &IdentityStore) -> Result<Self, EnrolError> {
        let base = enrolment.api.trim_end_matches('/').trim_end_matches(PREFIX).to_owned();
        let _: Url = base.parse().map_err(|error: UrlError| EnrolError::Api(Box::new(error)))?;
        let pem = enrolment.ca_pem.as_deref().or(store.roots_pem());
        let trust = pem.filter(|_| base.starts_with("https:")).map(Trust::from_pem).transpose();
        let trust = trust.map_err(|error: TrustError| EnrolError::Api(Box::new(error)))?;
        Ok(Self { base, token: enrolment.token.clone(), trust })
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, EnrolError> {
        let operation = format!("POST {PREFIX}{path}");
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| EnrolError::Call {
            operation: operation.clone(),
            source,
        };
        let body = serde_json::to_vec(body).map_err(|error| failed(Box::new(error)))?;
        let url: Url = format!("{}{PREFIX}{path}", self.base)
            .parse()
            .map_err(|error: UrlError| failed(Box::new(error)))?;
        let (status, answer) = call(&url, self.trust.as_ref(), &self.token, &body)
            .await
            .map_err(|error: CallError| failed(Box::new(error)))?;
        if !(200..300).contains(&status) {
            let problem: Option<Problem> = serde_json::from_slice(&answer).ok();
            let message = problem.map_or_else(
                || String::from_utf8_lossy(&answer[..answer.len().min(300)]).into_owned(),
                |problem| problem.detail,
            );
            return Err(EnrolError::Refused { operation, status, message });
        }
        serde_json::from_slice(&answer)
            .map_err(|error| EnrolError::Answer { operation, source: Box::new(error) })
    }
}

/// Registers the devices of `keys` that `store` does not know, and keeps their identities. Returns how many there were.
/// Devices that Argosy knows already (an earlier run's folder is gone) get a further certificate.
/// Interrupted and called again, it goes on: what was issued is kept batch by batch.
///
/// # Errors
/// [`EnrolError`] names the call that failed.
pub async fn enrol(
    enrolment: &Enrolment,
    store: &mut IdentityStore,
    keys: &[DeviceKey],
) -> Result<usize, EnrolError> {
    let missing: Vec<&DeviceKey> = keys.iter().filter(|key| store.get(key).is_none()).collect();
    if missing.is_empty() {
        return Ok(0);
    }
    let client = Client::new(enrolment, store)?;
    for batch in missing.chunks(MAX_BATCH) {
        let made = if enrolment.certificates { make_keys(batch)? } else { Vec::new() };
        let devices = batch
            .iter()
            .enumerate()
            .map(|(place, key)| BatchDevice {
                key: key.as_str().to_owned(),
                csr: made.get(place).map(|made| made.csr.clone()),
                ..BatchDevice::default()
            })
            .collect();
        let request = BatchDevicesRequest {
            unregistered: false,
            product: enrolment.product.clone(),
            group: enrolment.group.clone(),
            region: enrolment.region.clone(),
            devices,
        };
        let answer: BatchDevicesResponse = client.post("/devices/batch", &request).await?;
        store.set_roots(answer.roots_pem.as_bytes())?;
        let issued = answer.devices.into_iter().map(|device| device.certificate);
        store.add(identities(batch, made, issued)?)?;
    }
    Ok(missing.len())
}

/// A key and the request for its certificate. `Debug` shows neither.
pub(crate) struct MadeKey {
    pub(crate) private_key: Vec<u8>,
    pub(crate) csr: String,
}

impl std::fmt::Debug for MadeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeKey").finish_non_exhaustive()
    }
}

fn make_keys(batch: &[&DeviceKey]) -> Result<Vec<MadeKey>, EnrolError> {
    let workers = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let share = batch.len().div_ceil(workers).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = batch
            .chunks(share)
            .map(|part| {
                scope.spawn(move || part.iter().map(|key| make_key(key)).collect::<Result<Vec<_>, _>>())
            })
            .collect();
        let mut all = Vec::with_capacity(batch.len());
        for worker in workers {
            match worker.join() {
                Ok(made) => all.extend(made.map_err(EnrolError::Key)?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(all)
    })
}

pub(crate) fn make_key(key: &DeviceKey) -> Result<MadeKey, rcgen::Error> {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, key.as_str());
    let csr = params.serialize_request(&pair)?.pem()?;
    Ok(MadeKey { private_key: pair.serialize_der(), csr })
}

fn identities(
    keys: &[&DeviceKey],
    made: Vec<MadeKey>,
    issued: impl IntoIterator<Item = Option<IssuedCertificate>>,
) -> Result<Vec<(DeviceKey, Identity)>, EnrolError> {
    let mut all = Vec::new();
    for ((key, made), issued) in keys.iter().zip(made).zip(issued) {
        let Some(issued) = issued else { continue };
        let pem = format!("{}\n{}", issued.certificate_pem, issued.chain_pem);
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        let chain = chain.map_err(|error| EnrolError::Answer {
            operation: format!("the certificate of {key}"),
            source: Box::new(error),
        })?;
        let chain = chain.iter().map(|der| der.to_vec()).collect();
        all.push(((*key).clone(), Identity { private_key: made.private_key, chain }));
    }
    Ok(all)
}
