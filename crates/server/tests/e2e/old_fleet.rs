//! Boards of the older system against this server, through all of their life: a plain one, and one with a certificate of the older
//! system's own authority. The board is `old_board.py`: a foreign client that knows nothing of this project.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Builder, CHIP, PRODUCT, Running, SLOT, Server, Tool, image, python, until};

/// The ids that boards have files by already end below.
const FIRST_ID: i64 = 5_000;

/// A board that runs.
struct Board {
    running: Running,
    /// Lines that were looked at.
    seen: usize,
}

impl Board {
    /// `tls`: roots, certificate and private key.
    fn start(server: &Server, key: &str, client_id: &str, port: u16, tls: &[&Path]) -> Option<Self> {
        let mut tool = Tool::new(python()?);
        tool.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/old_board.py"));
        tool.args([key, client_id, "localhost", &port.to_string()]).arg(server.path(&format!("board-{key}")));
        for file in tls {
            tool.arg(file);
        }
        Some(Self { running: tool.spawn(), seen: 0 })
    }

    fn say(&mut self, line: &str) {
        self.running.say(line);
    }

    /// The next thing of this kind that happens to it.
    fn until(&mut self, what: &str) -> Value {
        let (running, seen) = (&self.running, &mut self.seen);
        until(&format!("the board's {what}"), || {
            let lines = running.out.so_far();
            while let Some(line) = lines.get(*seen) {
                *seen += 1;
                let event: Value = serde_json::from_str(line).expect("JSON");
                if event["event"] == what {
                    return Some(event);
                }
            }
            None
        })
    }

    /// How often this happened so far.
    fn count(&self, what: &str) -> usize {
        let is =
            |line: &String| serde_json::from_str::<Value>(line).is_ok_and(|event| event["event"] == what);
        self.running.out.so_far().iter().filter(|line| is(line)).count()
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = [self.running.out.so_far(), self.running.err.so_far()].concat().join("\n");
            eprintln!("--- the board ---\n{said}\n---");
        }
    }
}

/// A picture that is `shade` all over, as PNG: made by hand, without compression.
fn picture(shade: u8) -> Vec<u8> {
    let (width, height) = (64_u32, 40_u32);
    let mut raw = Vec::new();
    for y in 0..height {
        raw.push(0);
        raw.extend((0..width).flat_map(|x| [shade, (x * 4) as u8, (y * 6) as u8]));
    }
    let adler = raw.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    let length = raw.len() as u16;
    let stored = [
        &[0x78, 0x01, 0x01][..],
        &length.to_le_bytes(),
        &(!length).to_le_bytes(),
        &raw,
        &(adler.1 << 16 | adler.0).to_be_bytes(),
    ]
    .concat();
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", &stored), chunk(b"IEND", &[])]
        .concat()
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [kind.as_slice(), data].concat();
    let crc = !body.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1)))
    });
    [&(data.len() as u32).to_be_bytes(), body.as_slice(), &crc.to_be_bytes()].concat()
}

/// What both boards go through once they are online: a code, a firmware and three contents, the one while the other runs.
fn lives(server: &Server, board: &mut Board, key: &str) {
    registers(server, board, key);

    // Both are asked for at once; the board would ignore the second while the first runs, and is not asked.
    let firmware = server.firmware("2.0.0", &image(200 * 1024, "2.0.0"));
    let contents: Vec<Value> = (0..3_u8).map(|n| content(server, &format!("광고 {n}"), 60 * n)).collect();
    let titles: Vec<&Value> = contents.iter().map(|content| &content["title"]).collect();
    let ids: Vec<i64> = contents.iter().map(|content| content["artifact"].as_i64().expect("an id")).collect();
    board.say("slow");
    let first = server.deploy("2.0.0", json!({ "devices": [key] }), json!({}));
    board.until("begins");
    let body = json!({ "contents": titles, "target": { "devices": [key] } });
    let second = server.api.post("/deployments", &body).expect(201).json()["id"].as_i64().expect("an id");
    board.say("drop");
    assert_eq!(board.until("online")["again"], true, "it does not subscribe again");
    board.say("go");
    let loaded = board.until("firmware");
    assert_eq!(loaded["right"], true);
    assert!(loaded["id"].as_i64().expect("an id") >= FIRST_ID, "{loaded}");
    ended(server, first);

    let shows = board.until("shows");
    assert_eq!(shows["ids"], json!(ids), "in the order of the deployment");
    assert!(ids.iter().all(|id| *id >= FIRST_ID), "{ids:?}");
    ended(server, second);
    assert_eq!((board.count("ignored"), board.count("failed")), (0, 0));
    let shown = server.api.get(&format!("/devices/{key}/contents")).expect(200).json();
    assert_eq!((&shown["mismatch"], &shown["reported"]), (&json!(false), &json!(true)), "{shown}");
    let told: Vec<&Value> =
        shown["shown"].as_array().expect("files").iter().map(|f| &f["content"]["title"]).collect();
    assert_eq!(told, titles);
    // What it loaded is what the server made, byte by byte.
    for (id, content) in ids.iter().zip(&contents) {
        let file = std::fs::metadata(server.path(&format!("board-{key}")).join(format!("{id}.bin")));
        assert_eq!(json!(file.expect("the board's file").len()), content["size"]);
    }
    let device = server.device(key);
    assert_eq!((&device["firmware_id"], &device["firmware_version"]), (&firmware["id"], &json!("2.0.0")));
    assert_eq!(server.api.list("/dead-letters"), Vec::<Value>::new());
}

fn registers(server: &Server, board: &mut Board, key: &str) {
    server.api.post("/groups", &json!({ "name": "pilot" })).expect(201);
    server.api.post("/regions", &json!({ "code": "KR-11", "name": "서울" })).expect(201);
    assert_eq!(server.device(key)["state"], "unregistered");
    board.say("regist 000000");
    assert_eq!(board.until("registered")["status"], "AUTH_FAILED");
    let place = json!({ "product": PRODUCT, "group": "pilot", "region": "KR-11" });
    let code = server.api.post("/registration-codes", &place).expect(201).json();
    board.say(&format!("regist {}", code["code"].as_str().expect("digits")));
    assert_eq!(board.until("registered")["status"], "OK");
    let device = server.device(key);
    assert_eq!((&device["state"], &device["name"]), (&json!("active"), &json!(format!("board {key}"))));
    assert_eq!((&device["group"]["name"], &device["region"]["code"]), (&json!("pilot"), &json!("KR-11")));
    // Its status is taken from now on, without a reconnect.
    until("its status", || (server.device(key)["firmware_version"] == "1.0.0").then_some(()));
}

fn content(server: &Server, title: &str, shade: u8) -> Value {
    let upload = server.upload(&format!("{shade}.png"), &picture(shade));
    server
        .api
        .post("/contents", &json!({ "upload_id": upload, "product": PRODUCT, "title": title }))
        .expect(201)
        .json()
}

fn ended(server: &Server, deployment: i64) {
    let view = until("the deployment ends", || {
        let view = server.deployment(deployment);
        (view["state"] == "finished").then_some(view)
    });
    assert_eq!(view["progress"]["by_state"], json!({ "succeeded": 1 }), "{view}");
}

/// A server whose database was prepared for a fleet that moves, and the product of its boards.
fn site(builder: Builder) -> Server {
    let builder = builder.prepare(|data| {
        Tool::new(env!("CARGO_BIN_EXE_argosy"))
            .args(["migrate", "--first-artifact-id", &FIRST_ID.to_string(), "--data-dir"])
            .arg(data)
            .run()
            .ok();
    });
    let server = builder.start();
    let product = json!({
        "name": PRODUCT, "chip": CHIP, "image_format": "esp-idf", "slot_size": SLOT,
        "display": { "width": 64, "height": 40, "color_depth": 16, "swap_bytes": true },
    });
    server.api.post("/products", &product).expect(201);
    server
}

#[test]
fn a_plain_board_of_the_old_system_registers_and_is_brought_up_to_date() {
    let server = site(Builder::default().plain("1..100"));
    let row = json!({ "key": "42", "product": PRODUCT, "unregistered": true });
    server.api.post("/devices", &row).expect(201);
    let Some(mut board) = Board::start(&server, "42", "42", server.ports.mqtt, &[]) else { return };
    board.until("online");
    lives(&server, &mut board, "42");
}

/// Runs openssl in a folder.
fn openssl(folder: &Path, arguments: &str) {
    Tool::new("openssl")
        .args(arguments.split(' ').map(|word| match word.strip_prefix('@') {
            Some(file) => folder.join(file).display().to_string(),
            None => word.replace('+', " "),
        }))
        .run()
        .ok();
}

#[test]
fn a_board_with_a_certificate_of_the_old_authority_registers_is_brought_up_to_date_and_renews() {
    let server = site(Builder::default());
    let folder = server.path("old-system");
    std::fs::create_dir(&folder).expect("a folder");
    // As the older system made them: one RSA root, leaves without any extension, CN = the board's serial number.
    openssl(
        &folder,
        "req -x509 -newkey rsa:2048 -nodes -keyout @ca.key -out @ca.pem -days 3650 -subj /CN=Old+Vending+Root",
    );
    openssl(
        &folder,
        "req -new -newkey rsa:2048 -nodes -keyout @board.key -out @board.csr -subj /CN=SN-20240117",
    );
    openssl(
        &folder,
        "x509 -req -in @board.csr -CA @ca.pem -CAkey @ca.key -set_serial 4711 -days 20 -out @board.pem",
    );
    let roots = folder.join("board-roots.pem");
    std::fs::copy(folder.join("ca.pem"), &roots).expect("copied");
    let files = [roots.as_path(), &folder.join("board.pem"), &folder.join("board.key")];

    // The operator's way: the CA, the rows, and one board that was never registered there.
    let argosy = |arguments: &[&str]| {
        let mut tool = Tool::new(env!("CARGO_BIN_EXE_argosy"));
        tool.args(arguments).args(["--server", server.api.base(), "--token", server.api.token()]);
        tool.run().ok().out
    };
    let path = |name: &str| folder.join(name).display().to_string();
    argosy(&["ca", "import", "--cert", &path("ca.pem"), "--key", &path("ca.key")]);
    let row = json!({ "key": "7", "product": PRODUCT, "unregistered": true });
    server.api.post("/devices", &row).expect(201);
    std::fs::write(
        folder.join("devices.csv"),
        format!("key,product,cn\n7,{PRODUCT},SN-20240117\n8,{PRODUCT},SN-20240118\n"),
    )
    .expect("a file");
    let said = argosy(&["device", "import", &path("devices.csv")]);
    assert!(said.contains("2 rows: 1 new devices, 2 new identities"), "{said}");

    let Some(mut board) = Board::start(&server, "7", "ESP32_a1b2c3", server.ports.mqtts, &files) else {
        return;
    };
    board.until("online");
    lives(&server, &mut board, "7");

    // Renewal in the board's order. From then on it trusts what it was given, and its certificate is ours.
    let before = std::fs::read_to_string(files[1]).expect("its certificate");
    board.say("renew");
    board.until("asked");
    assert_eq!(board.until("certificate")["status"], "OK");
    board.until("restarts");
    board.until("online");
    assert_eq!(board.count("refused"), 0);
    assert_ne!(std::fs::read_to_string(files[1]).expect("its certificate"), before);
    server.until_online("7", true);
    assert_eq!(server.api.list("/dead-letters"), Vec::<Value>::new());
}
