//! A client that sends exactly the bytes it is told to, in MQTT 3.1.1.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::pki::LIMIT;

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// What the broker sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    ConnAck {
        session_present: bool,
        code: u8,
    },
    Publish {
        topic: String,
        payload: Vec<u8>,
        id: u16,
        qos: u8,
        retain: bool,
    },
    PubAck(u16),
    PubRec(u16),
    PubComp(u16),
    SubAck(u16, Vec<u8>),
    PingResp,
    /// The connection is closed.
    Closed,
}

#[derive(Debug, Clone)]
pub struct Connect {
    pub client_id: String,
    pub clean: bool,
    pub keepalive: u16,
    pub will: Option<(String, Vec<u8>)>,
}

impl Connect {
    pub fn new(client_id: &str) -> Self {
        Self { client_id: client_id.to_owned(), clean: true, keepalive: 60, will: None }
    }

    pub fn persistent(mut self) -> Self {
        self.clean = false;
        self
    }

    pub fn will(mut self, topic: &str, payload: &[u8]) -> Self {
        self.will = Some((topic.to_owned(), payload.to_vec()));
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut flags = if self.clean { 0x02 } else { 0 };
        if self.will.is_some() {
            flags |= 0x04 | 0x08;
        }
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, flags];
        body.extend(self.keepalive.to_be_bytes());
        text(&mut body, self.client_id.as_bytes());
        if let Some((topic, payload)) = &self.will {
            text(&mut body, topic.as_bytes());
            text(&mut body, payload);
        }
        frame(0x10, &body)
    }
}

fn text(body: &mut Vec<u8>, text: &[u8]) {
    body.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    body.extend(text);
}

fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut left = body.len();
    loop {
        let digit = u8::try_from(left % 128).unwrap();
        left /= 128;
        packet.push(if left > 0 { digit | 0x80 } else { digit });
        if left == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

pub fn publish(topic: &str, payload: &[u8], qos: u8, id: u16, retain: bool) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic.as_bytes());
    if qos > 0 {
        body.extend(id.to_be_bytes());
    }
    body.extend(payload);
    frame(0x30 | (qos << 1) | u8::from(retain), &body)
}

pub struct Client {
    stream: Box<dyn Stream>,
}

impl Client {
    pub async fn tls(address: SocketAddr, config: Arc<rustls::ClientConfig>) -> std::io::Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let tls = TlsConnector::from(config).connect(name, tcp).await?;
        Ok(Self { stream: Box::new(tls) })
    }

    pub async fn plain(address: SocketAddr) -> Self {
        Self { stream: Box::new(TcpStream::connect(address).await.unwrap()) }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        // The broker may have closed already: what follows says so.
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// Sends CONNECT and returns the code of the answer; `None` if the connection was closed instead.
    pub async fn connect(&mut self, connect: &Connect) -> Option<u8> {
        self.send(&connect.bytes()).await;
        match self.next().await {
            Packet::ConnAck { session_present, code } => {
                assert!(!session_present, "no session outlives its connection");
                Some(code)
            }
            Packet::Closed => None,
            other => panic!("not an answer to CONNECT: {other:?}"),
        }
    }

    pub async fn publish(&mut self, topic: &str, payload: &[u8], id: u16) {
        self.send(&publish(topic, payload, u8::from(id > 0), id, false)).await;
    }

    /// Subscribes and returns the code.
    pub async fn subscribe(&mut self, filter: &str) -> u8 {
        let mut body = vec![0, 9];
        text(&mut body, filter.as_bytes());
        body.push(1);
        self.send(&frame(0x82, &body)).await;
        match self.next().await {
            Packet::SubAck(9, codes) => codes[0],
            other => panic!("not an answer to SUBSCRIBE: {other:?}"),
        }
    }

    pub async fn ack(&mut self, id: u16) {
        self.send(&frame(0x40, &id.to_be_bytes())).await;
    }

    pub async fn ping(&mut self) {
        self.send(&[0xc0, 0]).await;
        assert_eq!(self.next().await, Packet::PingResp);
    }

    pub async fn disconnect(mut self) {
        self.send(&[0xe0, 0]).await;
        let _ = self.stream.shutdown().await;
    }

    /// The next packet, within the limit.
    pub async fn next(&mut self) -> Packet {
        tokio::time::timeout(LIMIT, self.read()).await.expect("nothing came")
    }

    /// The next message; anything else but an acknowledgement is an error.
    pub async fn next_publish(&mut self) -> (String, Vec<u8>) {
        match self.next().await {
            Packet::Publish { topic, payload, id, qos, retain } => {
                assert_eq!((qos, retain), (1, false));
                self.ack(id).await;
                (topic, payload)
            }
            other => panic!("not a message: {other:?}"),
        }
    }

    async fn read(&mut self) -> Packet {
        match self.try_read().await {
            Ok(packet) => packet,
            Err(_) => Packet::Closed,
        }
    }

    async fn try_read(&mut self) -> std::io::Result<Packet> {
        let first = self.stream.read_u8().await?;
        let (mut length, mut shift) = (0usize, 0);
        loop {
            let digit = self.stream.read_u8().await?;
            length |= usize::from(digit & 0x7f) << shift;
            shift += 7;
            if digit & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        let id = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
        Ok(match first >> 4 {
            2 => Packet::ConnAck { session_present: body[0] & 1 == 1, code: body[1] },
            3 => {
                let qos = (first >> 1) & 3;
                let end = 2 + usize::from(id(0));
                let topic = String::from_utf8(body[2..end].to_vec()).unwrap();
                let (number, at) = if qos > 0 { (id(end), end + 2) } else { (0, end) };
                Packet::Publish {
                    topic,
                    payload: body[at..].to_vec(),
                    id: number,
                    qos,
                    retain: first & 1 == 1,
                }
            }
            4 => Packet::PubAck(id(0)),
            5 => Packet::PubRec(id(0)),
            7 => Packet::PubComp(id(0)),
            9 => Packet::SubAck(id(0), body[2..].to_vec()),
            13 => Packet::PingResp,
            other => panic!("packet type {other}"),
        })
    }
}
