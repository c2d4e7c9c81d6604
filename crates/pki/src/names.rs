//! Names in certificates: distinguished names as text, and the names a server certificate is valid for.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use rcgen::SanType;
use rustls_pki_types::DnsName;
use x509_parser::asn1_rs::ToDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// A distinguished name as RFC 4514 text: last part first, `CN=Argosy Device CA 1f2e3d4c,O=Argosy`.
///
/// Special characters are escaped, and what is no plain text is written as `#` and its DER in hexadecimal, so that no part can
/// pose as two. Which ASN.1 string type a text had is not kept: the names that are compared are those of CAs we trust.
pub(crate) fn dn_text(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    for (i, rdn) in parts.iter().rev().enumerate() {
        if i > 0 {
            text.push(',');
        }
        for (j, attribute) in rdn.iter().enumerate() {
            if j > 0 {
                text.push('+');
            }
            push_attribute(&mut text, attribute);
        }
    }
    text
}

fn push_attribute(text: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    let oid = attribute.attr_type().to_id_string();
    match (short_name(&oid), attribute.as_str()) {
        (Some(short), Ok(plain)) => {
            text.push_str(short);
            text.push('=');
            push_escaped(text, plain);
        }
        (short, _) => {
            let value = attribute.attr_value();
            let der = value.to_der_vec().unwrap_or_else(|_| value.data.to_vec());
            text.push_str(short.unwrap_or(&oid));
            text.push_str("=#");
            text.push_str(&hex::encode(der));
        }
    }
}

fn short_name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        _ => return None,
    })
}

fn push_escaped(text: &mut String, plain: &str) {
    let last = plain.chars().count().saturating_sub(1);
    for (i, c) in plain.chars().enumerate() {
        let at_edge = (c == ' ' && (i == 0 || i == last)) || (c == '#' && i == 0);
        if c.is_control() {
            let mut utf8 = [0; 4];
            for byte in c.encode_utf8(&mut utf8).bytes() {
                let _ = write!(text, "\\{byte:02x}");
            }
        } else {
            if at_edge || matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=') {
                text.push('\\');
            }
            text.push(c);
        }
    }
}

/// The names that a server certificate is valid for: DNS names (also `*.example.org`) and IP addresses, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerNames(Vec<ServerName>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum ServerName {
    Dns(String),
    Ip(IpAddr),
}

/// Why a list of names cannot go into the server certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerNamesError {
    /// An empty list.
    #[error("the server certificate needs at least one DNS name or IP address")]
    Empty,
    /// More than [`ServerNames::MAX`].
    #[error("the server certificate can have at most {} names", ServerNames::MAX)]
    TooMany,
    /// One of them.
    #[error("`{0}` is neither a DNS name nor an IP address")]
    Bad(String),
}

impl ServerNames {
    /// The most names in one certificate: every handshake carries them.
    pub const MAX: usize = 100;

    /// Checks and normalises `names`: lower case, sorted, without repetition.
    ///
    /// # Errors
    /// [`ServerNamesError`] names the one that is wrong.
    pub fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Result<Self, ServerNamesError> {
        let mut list: Vec<ServerName> = Vec::new();
        for name in names {
            list.push(ServerName::parse(name.as_ref())?);
            if list.len() > Self::MAX {
                return Err(ServerNamesError::TooMany);
            }
        }
        list.sort();
        list.dedup();
        if list.is_empty() { Err(ServerNamesError::Empty) } else { Ok(Self(list)) }
    }

    pub(crate) fn to_sans(&self) -> Result<Vec<SanType>, rcgen::Error> {
        self.0
            .iter()
            .map(|name| match name {
                ServerName::Dns(dns) => Ok(SanType::DnsName(dns.as_str().try_into()?)),
                ServerName::Ip(ip) => Ok(SanType::IpAddress(*ip)),
            })
            .collect()
    }

    /// What the certificate's subject shows a person; clients look at the alternative names only.
    pub(crate) fn common_name(&self) -> String {
        let dns = self.0.iter().find_map(|n| match n {
            // A CN has at most 64 characters (RFC 5280, appendix A).
            ServerName::Dns(dns) if dns.len() <= 64 => Some(dns.clone()),
            _ => None,
        });
        dns.unwrap_or_else(|| "Argosy server".to_owned())
    }
}

impl fmt::Display for ServerNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            match name {
                ServerName::Dns(dns) => f.write_str(dns)?,
                ServerName::Ip(ip) => write!(f, "{ip}")?,
            }
        }
        Ok(())
    }
}

impl ServerName {
    fn parse(text: &str) -> Result<Self, ServerNamesError> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Ip(ip));
        }
        let plain = text.strip_prefix("*.").unwrap_or(text);
        // A relative name: a trailing dot would never match what a client asks for.
        match DnsName::try_from(plain) {
            Ok(_) if !plain.ends_with('.') => Ok(Self::Dns(text.to_ascii_lowercase())),
            _ => Err(ServerNamesError::Bad(text.chars().take(80).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    use super::*;

    fn text_of(attributes: &[(DnType, DnValue)]) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in attributes {
            params.distinguished_name.push(kind.clone(), value.clone());
        }
        let cert = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let (_, parsed) = x509_parser::parse_x509_certificate(cert.der()).unwrap();
        dn_text(parsed.subject())
    }

    #[test]
    fn distinguished_names_are_escaped_so_that_none_can_pose_as_another() {
        let utf8 = |s: &str| DnValue::Utf8String(s.to_owned());
        assert_eq!(
            text_of(&[(DnType::OrganizationName, utf8("Argosy")), (DnType::CommonName, utf8("Device CA"))]),
            "CN=Device CA,O=Argosy"
        );
        assert_eq!(text_of(&[(DnType::CommonName, utf8("a,O=b"))]), "CN=a\\,O\\=b");
        assert_eq!(text_of(&[(DnType::CommonName, utf8(" #a\0 "))]), "CN=\\ #a\\00\\ ");
        let printable = DnValue::PrintableString("ab".try_into().unwrap());
        assert_eq!(text_of(&[(DnType::CommonName, printable)]), "CN=ab");
        let bmp = DnValue::BmpString("ab".try_into().unwrap());
        assert_eq!(text_of(&[(DnType::CommonName, bmp)]), "CN=#1e0400610062");
        assert_eq!(text_of(&[(DnType::CustomDnType(vec![2, 5, 4, 5]), utf8("7"))]), "2.5.4.5=#0c0137");
    }

    #[test]
    fn server_names_are_checked_and_normalised() {
        let names =
            ServerNames::new(["B.Example.org", "127.0.0.1", "::1", "b.example.org", "*.x.org"]).unwrap();
        assert_eq!(names.to_string(), "*.x.org, b.example.org, 127.0.0.1, ::1");
        assert_eq!(names.common_name(), "*.x.org");
        assert_eq!(ServerNames::new(["10.0.0.1"]).unwrap().common_name(), "Argosy server");
        assert_eq!(ServerNames::new([""; 0]), Err(ServerNamesError::Empty));
        assert_eq!(ServerNames::new((0..101).map(|i| format!("h{i}"))), Err(ServerNamesError::TooMany));
        for bad in ["", "a b", "a/b", "*", "*.", "https://x", "x.", "a\0b", "ö.de", "h:8443", "*.*.x"] {
            assert!(matches!(ServerNames::new([bad]), Err(ServerNamesError::Bad(_))), "{bad:?}");
        }
    }
}
