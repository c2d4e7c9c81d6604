//! An imported CA, made as old systems made theirs: one RSA root by OpenSSL, leaves of X.509 version 1 without any extension.

use argosy_domain::ports::{CertificateAuthority, IssueError};
use argosy_pki::{AuthorityError, ServingRules};

use super::*;

struct Old {
    bench: Bench,
}

impl Old {
    fn new() -> Self {
        let bench = Bench::new();
        bench.run(
            "req -x509 -newkey rsa:2048 -nodes -keyout old.key -out old.pem -days 7300 \
             -subj /C=KR/O=Old/CN=Root/emailAddress=it@old.example",
        );
        Self { bench }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.bench.path(name)).unwrap()
    }

    fn import(&self, key: bool) -> Result<argosy_domain::ports::ImportedCa, IssueError> {
        let pem = self.read("old.key");
        self.bench.authority.import_ca(&self.read("old.pem"), key.then_some(pem.as_str()), NOW)
    }

    /// A board's certificate: `NAME.{key,pem}`; `openssl x509 -req` without extensions makes version 1.
    fn board(&self, name: &str, more: &str) {
        self.bench.run(&format!(
            "req -new -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ));
        self.bench.run(&format!(
            "x509 -req -in {name}.csr -CA old.pem -CAkey old.key -CAcreateserial -days 3650 -out {name}.pem {more}"
        ));
    }

    fn identity(&self, rules: ServingRules) -> ServerIdentity {
        let names = ServerNames::new(["argosy.example", "127.0.0.1"]).unwrap();
        ServerIdentity::current(Arc::clone(&self.bench.authority), names, rules, now()).unwrap().0
    }

    /// The board connects and trusts only the old root.
    fn connect(&self, identity: &ServerIdentity, line: &str) -> (Result<Vec<Vec<u8>>, String>, String) {
        fs::copy(self.bench.path("old.pem"), self.bench.path("root.pem")).unwrap();
        connect_at(&self.bench, &identity.mqtt_config(None).unwrap(), line, now())
    }
}

/// OpenSSL dates what it makes by the real clock.
fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "a test is a binary: it composes the real clock")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(now.as_millis()).unwrap())
}

#[test]
fn a_board_with_a_version_1_certificate_connects_and_verifies_us_by_its_old_root() {
    let old = Old::new();
    old.board("SN-0017", "");
    let version = old.bench.run("x509 -in SN-0017.pem -noout -text");
    assert!(version.contains("Version: 1"), "{version}");
    let with = "-tls1_2 -cert SN-0017.pem -key SN-0017.key";
    let before = old.identity(ServingRules::default());
    old.connect(&before, with).0.unwrap_err();

    let about = old.import(true).unwrap();
    assert_eq!((about.key_kind.as_str(), about.has_key), ("RSA-2048", true));
    let identity = old.identity(ServingRules::default());
    let (seen, said) = old.connect(&identity, with);
    let peers = seen.unwrap_or_else(|e| panic!("{e}: {said}"));
    assert!(said.contains("Verify return code: 0 (ok)") && said.contains("welcome"), "{said}");
    let shown = old.bench.authority.presented(&peers[0]).unwrap();
    assert_eq!((shown.common_name.as_str(), shown.issuer, shown.imported), ("SN-0017", about.name, true));
    assert!(said.contains("ECDHE-ECDSA"), "one chain for everybody: {said}");

    // One that knows RSA only gets a leaf directly under its root.
    let (seen, said) = old.connect(&identity, &format!("{with} -cipher ECDHE-RSA-AES128-GCM-SHA256"));
    seen.unwrap_or_else(|e| panic!("{e}: {said}"));
    assert!(said.contains("Verify return code: 0 (ok)") && said.contains("ECDHE-RSA"), "{said}");
    assert_eq!(
        said.matches("-----BEGIN CERTIFICATE-----").count(),
        1,
        "s_client shows the leaf only: {said}"
    );
    assert!(!said.contains("Argosy"), "nothing of ours stands between: {said}");

    // And so does one that the configuration names.
    let named = ServingRules { imported_names: vec!["argosy.example".to_owned()], ..ServingRules::default() };
    let (seen, said) = old.connect(&old.identity(named), with);
    seen.unwrap();
    assert!(said.contains("Verify return code: 0 (ok)") && said.contains("ECDHE-RSA"), "{said}");

    // New devices notice nothing.
    fs::write(old.bench.path("root.pem"), old.bench.authority.server_roots_pem()).unwrap();
    let (seen, said) = connect_at(&old.bench, &identity.mqtt_config(None).unwrap(), with, now());
    seen.unwrap();
    assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
    let roots = old.bench.authority.all_roots_pem();
    assert_eq!(roots.matches("BEGIN CERTIFICATE").count(), 2);
    assert!(roots.starts_with(&old.bench.authority.server_roots_pem()), "ours comes first");
}

#[test]
fn who_is_no_client_of_the_imported_ca_does_not_come_in() {
    let old = Old::new();
    old.import(true).unwrap();
    let identity = old.identity(ServingRules::default());
    let extensions = |text: &str| {
        fs::write(old.bench.path("ext.cnf"), text).unwrap();
        "-extfile ext.cnf"
    };
    for (name, text, comes_in) in [
        ("client", "extendedKeyUsage=clientAuth", true),
        ("both", "extendedKeyUsage=serverAuth,clientAuth\nkeyUsage=critical,digitalSignature", true),
        ("server", "extendedKeyUsage=serverAuth", false),
        ("authority", "basicConstraints=CA:TRUE", false),
        ("encipher", "keyUsage=keyEncipherment", false),
        ("strange", "1.2.3.4=critical,DER:0500", false),
    ] {
        old.board(name, extensions(text));
        let (seen, said) = old.connect(&identity, &format!("-cert {name}.pem -key {name}.key"));
        assert_eq!(seen.is_ok(), comes_in, "{name}: {said}");
    }
    // What a CA below the old root signs is not followed, even under a name of ours.
    old.board("below", extensions("basicConstraints=CA:TRUE\nkeyUsage=keyCertSign"));
    old.bench.run("req -new -newkey rsa:2048 -nodes -keyout leaf.key -out leaf.csr -subj /CN=leaf");
    old.bench
        .run("x509 -req -in leaf.csr -CA below.pem -CAkey below.key -CAcreateserial -days 9 -out leaf.pem");
    let (seen, _) = old.connect(&identity, "-cert leaf.pem -key leaf.key -cert_chain below.pem");
    seen.unwrap_err();
    // SHA-1 proves nothing any more, and neither does somebody else's key.
    old.board("weak", "-sha1");
    old.connect(&identity, "-cert weak.pem -key weak.key").0.unwrap_err();
    let (seen, _) = old.connect(&identity, "");
    seen.unwrap_err();
}

#[test]
fn what_cannot_be_imported_is_refused_with_the_reason() {
    let old = Old::new();
    let (root, key) = (old.read("old.pem"), old.read("old.key"));
    old.board("leaf", "");
    old.bench.run("genrsa -out other.key 2048");
    old.bench.run("rsa -in old.key -traditional -out pkcs1.key");
    old.bench.run("pkcs8 -topk8 -in old.key -passout pass:x -out locked.key");
    old.bench.run("req -x509 -newkey rsa:1024 -nodes -keyout weak.key -out weak.pem -days 9 -subj /CN=weak");
    let import =
        |certificate: &str, key: Option<&str>| match old.bench.authority.import_ca(certificate, key, NOW) {
            Ok(about) => about.id,
            Err(error) => error.to_string(),
        };
    for (certificate, key, reason) in [
        (old.read("leaf.pem"), None, "not a CA"),
        (old.read("weak.pem"), None, "RSA of 2048"),
        (format!("{root}{root}"), None, "several certificates"),
        ("rubbish".to_owned(), None, "no certificate in PEM"),
        (format!("{key}{root}"), None, "private key"),
        (root.clone(), Some(old.read("other.key")), "not the key of this certificate"),
        (root.clone(), Some(old.read("locked.key")), "decrypt it first"),
        (root.clone(), Some("rubbish".to_owned()), "no private key"),
        (old.bench.authority.server_roots_pem(), None, "known already"),
    ] {
        let said = import(&certificate, key.as_deref());
        assert!(said.contains(reason), "{said}");
        assert!(!said.contains("PRIVATE KEY-----"), "no key in a message");
    }
    assert!(old.bench.authority.imported_cas().is_empty());

    let id = import(&root, None);
    assert!(!old.bench.authority.imported_cas()[0].has_key);
    assert_eq!(import(&root, Some(&old.read("pkcs1.key"))), id, "the key comes later, in the old form");
    assert_eq!(import(&root, None), id, "and stays");
    assert!(old.bench.authority.imported_cas()[0].has_key);
    let file = old.bench.path("pki/imported").join(&id).join("ca.key");
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&fs::metadata(file).unwrap()) & 0o777, 0o600);

    // Found again at the next start, and gone after it was removed.
    let again =
        || Authority::open_or_create(&old.bench.path("pki"), &AuthorityParams::default(), NOW, entropy());
    assert_eq!(again().unwrap().imported_cas(), old.bench.authority.imported_cas());
    assert!(!old.bench.authority.remove_imported_ca("nobody", NOW).unwrap());
    assert!(old.bench.authority.remove_imported_ca(&id, NOW).unwrap());
    assert!(again().unwrap().imported_cas().is_empty());
    assert!(!old.bench.path("pki/imported").join(&id).exists());
}

#[test]
fn a_damaged_or_exposed_import_stops_the_start() {
    let old = Old::new();
    let id = old.import(true).unwrap().id;
    let folder = old.bench.path("pki/imported").join(id);
    let again =
        || Authority::open_or_create(&old.bench.path("pki"), &AuthorityParams::default(), NOW, entropy());
    let mode = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(folder.join("ca.key"), mode).unwrap();
    };
    mode(0o644);
    let error = again().unwrap_err();
    assert!(matches!(error, AuthorityError::File(_)) && error.to_string().contains("chmod 600"), "{error}");
    mode(0o600);
    fs::remove_file(folder.join("ca.pem")).unwrap();
    assert!(again().unwrap_err().to_string().contains("missing"));
}
